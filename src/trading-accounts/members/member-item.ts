import { MemberItem } from './members.dto';
import { AccountPermission } from '../trading-account';

/** A membership with the person who has it. */
export interface Member {
  id: string;
  userId: string;
  name: string;
  /** Null where whoever asks is not told it. */
  email: string | null;
  permissions: AccountPermission[];
  /** `user:<id>`, as in events. */
  grantedBy: string;
  createdAt: Date;
  /** Null: until it is removed. */
  expiresAt: Date | null;
}

export function memberItem(member: Member): MemberItem {
  return {
    membership_id: member.id,
    user_id: member.userId,
    name: member.name,
    email: member.email,
    permissions: member.permissions,
    granted_by: member.grantedBy,
    created_at: member.createdAt.toISOString(),
    expires_at: member.expiresAt?.toISOString() ?? null,
  };
}
