import type { Requirement } from '../../fleet/host-profile.ts';

/** A requirement of that kind. */
export type RequirementOf<Kind extends Requirement['kind']> = Extract<Requirement, { readonly kind: Kind }>;

export function ofKind<Kind extends Requirement['kind']>(
  requirements: readonly Requirement[],
  kind: Kind,
): readonly RequirementOf<Kind>[] {
  return requirements.filter((each): each is RequirementOf<Kind> => each.kind === kind);
}
