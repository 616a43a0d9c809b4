/** The role that everybody gets who signs up. What it gives lifts nobody above others: see `Authority`. */
export const SIGN_UP_ROLE = 'trader';
