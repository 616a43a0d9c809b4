/** Who has signed in at Google, as a verified ID token says. */
export interface GoogleIdentity {
  /** Claim `sub`: the one name of the person that never changes. */
  subject: string;
  /** In normal form; null where there is none, or none that can be used here. */
  email: string | null;
  /** Google has seen that the address is the person's. */
  emailVerified: boolean;
  /** As the person writes it. */
  name?: string;
}
