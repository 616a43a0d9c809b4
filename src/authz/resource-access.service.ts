import { Injectable } from '@nestjs/common';

/** Why somebody has access to an object. */
export type ResourceReason = 'ownership' | 'membership';

/** Whether a user may do to an object what a permission names; null where they may not, or it is not there. */
export type ResourceResolver = (
  userId: string,
  objectId: string,
  permission: string,
) => Promise<ResourceReason | null>;

/** Who has access to which object: each feature answers for its own kind. Of a kind that nobody knows, nobody has. */
@Injectable()
export class ResourceAccess {
  private readonly resolvers = new Map<string, ResourceResolver>();

  /** @param kind the first part of `kind:id`. */
  register(kind: string, resolver: ResourceResolver): void {
    if (this.resolvers.has(kind)) throw new Error(`access to ${kind} is answered twice`);
    this.resolvers.set(kind, resolver);
  }

  /** @param resource `kind:id`. */
  async reasonFor(userId: string, resource: string, permission: string): Promise<ResourceReason | null> {
    const [kind = '', id = ''] = resource.split(':');
    return (await this.resolvers.get(kind)?.(userId, id.toLowerCase(), permission)) ?? null;
  }
}
