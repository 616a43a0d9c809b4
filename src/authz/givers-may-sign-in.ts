/**
 * What a membership counts with, beside its time: nobody above it, from whom its permissions came (`granted_under`, to
 * any depth), is suspended, deactivated or deleted. For queries in which the membership is `member`; those of owners
 * cost nothing.
 */
export const GIVERS_MAY_SIGN_IN = `(member.granted_under IS NULL OR NOT EXISTS (
    WITH RECURSIVE giver (user_id, granted_under) AS (
      SELECT user_id, granted_under FROM trading_account_members WHERE id = member.granted_under
      UNION
      SELECT above.user_id, above.granted_under
      FROM giver JOIN trading_account_members above ON above.id = giver.granted_under
    )
    SELECT FROM giver JOIN users ON users.id = giver.user_id
    WHERE users.deleted_at IS NOT NULL OR users.status NOT IN ('active', 'pending_verification')))`;
