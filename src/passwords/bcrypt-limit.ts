/** bcrypt reads so many bytes of a password and silently ignores the rest. */
export const BCRYPT_MAX_BYTES = 72;
