import { ExecutionContext, Type } from '@nestjs/common';
import { ACCEPTS_API_KEYS } from '../../infra/http/accept-api-keys.decorator';
import { PUBLIC } from '../../infra/http/public.decorator';
import { PERMISSION } from '../../infra/http/require-permission.decorator';

type Handler = ReturnType<ExecutionContext['getHandler']>;

/** What a route asks of whoever calls it. */
export interface RouteRules {
  isPublic: boolean;
  acceptsApiKeys: boolean;
  /** Absent: none is asked for. */
  permission?: string;
}

const known = new WeakMap<Type, Map<Handler, RouteRules>>();

/** The marks of a route and of its class, the route's first. Decorators never change, so each route is read once. */
export function rulesOf(context: ExecutionContext): RouteRules {
  const controller = context.getClass();
  const handler = context.getHandler();
  let ofController = known.get(controller);
  if (!ofController) known.set(controller, (ofController = new Map<Handler, RouteRules>()));
  let rules = ofController.get(handler);
  if (!rules) ofController.set(handler, (rules = read(handler, controller)));
  return rules;
}

function read(handler: Handler, controller: Type): RouteRules {
  const mark = (name: string): unknown =>
    Reflect.getMetadata(name, handler) ?? (Reflect.getMetadata(name, controller) as unknown);
  return {
    isPublic: mark(PUBLIC) === true,
    acceptsApiKeys: mark(ACCEPTS_API_KEYS) === true,
    permission: mark(PERMISSION) as string | undefined,
  };
}
