/** Someone outside Placement, known by an id that Placement does not interpret. */
export interface ExternalIdentity {
  /** Internal id. */
  readonly id: number;
  readonly externalId: string;
}

/** The fields of a consumer that a claim may change. */
interface ConsumerAttributes {
  project: ExternalIdentity;
  user: ExternalIdentity;
  /** `null` for consumers made before types were known (1.38). */
  consumerTypeId: number | null;
}

interface LoadedNames {
  readonly projectId: string;
  readonly userId: string;
  readonly consumerType: string | undefined;
}

type ConsumerField = keyof ConsumerAttributes;

/**
 * Whoever holds allocations: an instance, a volume, a test run. It exists as long as it holds any.
 *
 * A consumer knows which of its fields were changed since it was loaded or saved, so that saving
 * writes those and no others. The set is cleared by `markSaved`, which is called once the
 * transaction has committed: after a rollback it still tells what the database has not got.
 */
export class Consumer implements Readonly<ConsumerAttributes> {
  /** Internal id. */
  readonly id: number;
  readonly uuid: string;
  /** The optimistic counter that guards every change. */
  generation: number;
  #attributes: ConsumerAttributes;
  readonly #changed = new Set<ConsumerField>();
  /** What the outside calls them, as they were when it was loaded, whatever was changed since. */
  readonly loaded: LoadedNames;

  /** @param consumerType the name of its type, if it has one */
  constructor(
    id: number,
    uuid: string,
    generation: number,
    attributes: Readonly<ConsumerAttributes>,
    consumerType?: string,
  ) {
    this.id = id;
    this.uuid = uuid;
    this.generation = generation;
    this.#attributes = { ...attributes };
    const { project, user } = attributes;
    this.loaded = { projectId: project.externalId, userId: user.externalId, consumerType };
  }

  get project(): ExternalIdentity {
    return this.#attributes.project;
  }

  get user(): ExternalIdentity {
    return this.#attributes.user;
  }

  get consumerTypeId(): number | null {
    return this.#attributes.consumerTypeId;
  }

  /** The fields that differ from what was loaded or saved last. */
  get changedFields(): ReadonlySet<ConsumerField> {
    return this.#changed;
  }

  /** Changes the attributes given; those that have the value already do not count as changed. */
  change(values: Partial<Readonly<ConsumerAttributes>>): void {
    const { project, user, consumerTypeId } = values;
    if (project && project.id !== this.project.id) this.#set("project", project);
    if (user && user.id !== this.user.id) this.#set("user", user);
    if (consumerTypeId !== undefined && consumerTypeId !== this.consumerTypeId) {
      this.#set("consumerTypeId", consumerTypeId);
    }
  }

  /** What was changed is in the database. */
  markSaved(): void {
    this.#changed.clear();
  }

  #set<Field extends ConsumerField>(field: Field, value: ConsumerAttributes[Field]): void {
    this.#attributes[field] = value;
    this.#changed.add(field);
  }
}
