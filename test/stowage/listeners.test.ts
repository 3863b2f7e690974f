import * as fc from "fast-check";
import { expect, test } from "vitest";

import type { FeedEntry } from "../../src/db/change-feed.ts";
import type { ChangeRow } from "../../src/domain/change-row.ts";
import { writeDetails, type ChangeDetails } from "../../src/domain/change-details.ts";
import { ProviderIndex } from "../../src/index/provider-index.ts";
import { isWanted, type EventFilter } from "../../src/operations/event-filter.ts";
import { FeedEvent } from "../../src/read-model/feed-event.ts";
import { Listeners } from "../../src/read-model/listeners.ts";
import { Subscription } from "../../src/read-model/subscription.ts";
import { consumerUuid, providerUuid } from "../support/fleet.ts";

const START = { epoch: "e", floor: 0, seen: new Set<number>(), newest: undefined };
/** Of these, the first four are there, in two trees; 5 and 6 are gone. */
const ROOTS = new Map([
  [1, 1],
  [2, 1],
  [3, 3],
  [4, 3],
]);
const index = new ProviderIndex();
for (const [id, rootId] of ROOTS) {
  index.put({
    id,
    uuid: providerUuid(id),
    name: `host ${id}`,
    generation: 1,
    parentId: id === rootId ? null : rootId,
    rootId,
    inventories: [],
    traitIds: [],
    aggregates: [],
  });
}

const provider = fc.integer({ min: 1, max: 6 }).map(providerUuid);
const consumer = fc.integer({ min: 1, max: 3 }).map(consumerUuid);
const project = fc.constantFrom("a", "b", "c");
const KINDS = [
  "provider",
  "provider_deleted",
  "consumer",
  "consumer_deleted",
  "trait",
  "everything",
];
const setOf = <Value>(value: fc.Arbitrary<Value>) =>
  fc.option(
    fc.array(value, { minLength: 1, maxLength: 2 }).map((some) => new Set(some)),
    {
      nil: undefined,
      freq: 1,
    },
  );

const anyFilter: fc.Arbitrary<EventFilter> = fc.record({
  kinds: setOf(fc.constantFrom(...KINDS)),
  consumers: setOf(consumer),
  providers: setOf(provider),
  trees: setOf(provider),
  projects: setOf(project),
  resourceClasses: setOf(fc.constantFrom("VCPU", "DISK_GB")),
});

const holdings = fc.dictionary(provider, fc.constant({ VCPU: 1 }), { maxKeys: 2 });

const ofConsumer: fc.Arbitrary<ChangeDetails | undefined> = fc.option(
  fc.record({
    of: fc.constant("consumer" as const),
    generation: fc.constant(1),
    projectId: fc.option(project, { nil: undefined }),
    userId: fc.constant("u"),
    consumerType: fc.constant(undefined),
    formerly: fc.record({ projectId: project }, { requiredKeys: [] }),
    was: holdings,
    now: holdings,
  }),
  { nil: undefined, freq: 6 },
);

const ofProvider: fc.Arbitrary<ChangeDetails | undefined> = fc.option(
  fc.record(
    { of: fc.constant("provider" as const), root: fc.tuple(provider, provider) },
    { requiredKeys: ["of"] },
  ),
  { nil: undefined, freq: 2 },
);

/** What one request changes: consumers, and all providers of which they held or hold something. */
const anyRequest = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    consumer,
    provider,
    hasUuid: fc.boolean(),
    ofConsumer,
    ofProvider,
  })
  .map(({ kind, ...given }): Omit<ChangeRow, "id" | "requestId">[] => {
    const row = (what: string, subject: string, details?: ChangeDetails, providerId?: number) => ({
      createdAt: null,
      kind: what,
      providerId: providerId ?? null,
      subject,
      userId: null,
      projectId: null,
      details: writeDetails(details, {}),
    });
    const numberOf = (uuid: string) => Number(uuid.slice(-2));
    if (kind.startsWith("provider")) {
      const { provider: uuid, hasUuid } = given;
      return [row(kind, hasUuid ? uuid : "", given.ofProvider, numberOf(uuid))];
    }
    if (!kind.startsWith("consumer")) return [row(kind, "CUSTOM_A")];
    const { ofConsumer: details } = given;
    const held = details?.of === "consumer" ? Object.keys({ ...details.was, ...details.now }) : [];
    return [
      ...held.map((uuid) => row("provider", uuid, undefined, numberOf(uuid))),
      row(kind, given.consumer, details),
    ];
  });

test("whom a change concerns is told of it, whatever he is found by, and nobody else", () => {
  fc.assert(
    fc.property(
      fc.array(anyFilter, { minLength: 1, maxLength: 6 }),
      fc.array(anyRequest, { maxLength: 8 }),
      fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
      (filters, requests, leaving) => {
        const rows = requests
          .flatMap((some, request) => some.map((row) => ({ ...row, requestId: `req-${request}` })))
          .map((row, id): ChangeRow => ({ ...row, id: id + 1 }));
        const listeners = new Listeners();
        const subscriptions = filters.map(
          (filter) =>
            new Subscription(
              START,
              { ...filter, wants: (event) => isWanted(filter, event, index) },
              () => {},
            ),
        );
        for (const each of subscriptions) listeners.add(each);
        const left = new Set(leaving.flatMap((at) => subscriptions[at] ?? []));
        for (const each of left) listeners.delete(each);
        const staying = subscriptions.filter((each) => !left.has(each));
        expect([...listeners.values()]).toEqual(staying);
        const audience = listeners.of(rows.map(toEntry), index);
        for (const row of rows) {
          const event = new FeedEvent(row);
          const wanting = staying.filter(({ interest }) => interest.wants(event));
          const found = [...audience.of(event)].filter(({ interest }) => interest.wants(event));
          expect(new Set(found)).toEqual(new Set(wanting));
          if (wanting.length > 0) expect(audience.mayConcern(toEntry(row))).toBe(true);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("what concerns nobody is not read", () => {
  const listeners = new Listeners();
  const filter = { providers: new Set([providerUuid(1)]) };
  const wants = (event: FeedEvent) => isWanted(filter, event, index);
  listeners.add(new Subscription(START, { ...filter, wants }, () => {}));
  const rows = [
    { id: 1, providerId: 2, kind: "provider", subject: providerUuid(2), requestId: "req-1" },
    { id: 2, providerId: null, kind: "consumer", subject: consumerUuid(1), requestId: "req-1" },
    { id: 3, providerId: 1, kind: "provider", subject: providerUuid(1), requestId: "req-2" },
    { id: 4, providerId: null, kind: "consumer", subject: consumerUuid(2), requestId: "req-2" },
    { id: 5, providerId: null, kind: "trait", subject: "CUSTOM_A", requestId: "req-3" },
  ].map((row) => ({ ...row, settled: undefined }));
  const audience = listeners.of(rows, index);
  expect(rows.filter((row) => audience.mayConcern(row)).map(({ id }) => id)).toEqual([3, 4]);
});

function toEntry({ id, providerId, kind, subject, requestId }: ChangeRow): FeedEntry {
  return { id, providerId, kind, subject, requestId, settled: undefined };
}
