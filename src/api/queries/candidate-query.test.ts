import { describe, expect, test } from "vitest";
import type { CandidateQuery } from "../../domain/candidate-query.ts";
import { ERROR_CODES } from "../error-codes.ts";
import { HttpError } from "../http-error.ts";
import { QUERY_LIMITS } from "../query-limits.ts";
import type { ApiRequest } from "../request.ts";
import { readCandidateQuery } from "./candidate-query.ts";
import { querySchema } from "./candidate-query-schema.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

describe("the query of GET /allocation_candidates", () => {
  test("is read into request groups, in the order of their suffixes", () => {
    const query = read(39, [
      ["resources_DISK", "DISK_GB:10"],
      ["resources", "VCPU:2,MEMORY_MB:1024"],
      ["required", "T1,!T2"],
      ["required", "in:T3,T4"],
      ["member_of", `in:${A},${B}`],
      ["member_of", `!${B.toUpperCase()}`],
      ["in_tree_DISK", A],
      ["group_policy", "isolate"],
      ["limit", "10"],
      ["root_required", "R1,!R2"],
      ["same_subtree", "_DISK"],
    ]);
    expect(query).toEqual({
      groups: [
        { ...emptyGroup("_DISK"), resources: new Map([["DISK_GB", 10]]), inTree: A },
        {
          ...emptyGroup(""),
          resources: new Map([
            ["VCPU", 2],
            ["MEMORY_MB", 1024],
          ]),
          requiredTraits: [new Set(["T1"]), new Set(["T3", "T4"])],
          forbiddenTraits: new Set(["T2"]),
          memberOf: [new Set([A, B])],
          forbiddenAggregates: new Set([B]),
        },
      ],
      groupPolicy: "isolate",
      limit: 10,
      rootRequired: { required: new Set(["R1"]), forbidden: new Set(["R2"]) },
      sameSubtrees: [new Set(["_DISK"])],
      isNestedAware: true,
    });
  });

  test("counts the last of repeated resources, and the last of repeated required before 1.39", () => {
    const pairs: Pair[] = [
      ["resources", "VCPU:1"],
      ["resources", "VCPU:2"],
      ["required", "T1"],
      ["required", "T2"],
    ];
    expect(read(38, pairs).groups[0]).toMatchObject({
      resources: new Map([["VCPU", 2]]),
      requiredTraits: [new Set(["T2"])],
    });
    expect(read(39, pairs).groups[0]?.requiredTraits).toHaveLength(2);
  });

  test("has numbered groups before 1.33 and named ones since", () => {
    expect(() => read(32, [["resources_A", "VCPU:1"]])).toThrow("'resources_A' does not match any");
    expect(read(33, [["resources_A", "VCPU:1"]]).groups[0]?.suffix).toBe("_A");
    expect(read(25, [["resources12", "VCPU:1"]]).groups[0]?.suffix).toBe("12");
    expect(() => read(24, [["resources1", "VCPU:1"]])).toThrow(
      "'resources' is a required property",
    );
  });

  test("knows whether the version knows trees", () => {
    expect(read(28, [["resources", "VCPU:1"]]).isNestedAware).toBe(false);
    expect(read(29, [["resources", "VCPU:1"]]).isNestedAware).toBe(true);
  });

  const { undefined: none, queryParameterBadValue, queryParameterMissingValue } = ERROR_CODES;
  test.each<[minor: number, pairs: Pair[], message: string, code: string]>([
    [10, [], "'resources' is a required property", none],
    [
      15,
      [
        ["resources", "VCPU:1"],
        ["limit", "1"],
      ],
      "('limit' was unexpected)",
      none,
    ],
    [
      16,
      [
        ["resources", "VCPU:1"],
        ["limit", "0"],
      ],
      "'0' does not match '^[1-9][0-9]*$'",
      none,
    ],
    [
      25,
      [
        ["resources", "VCPU:1"],
        ["group_policy", "x"],
      ],
      "'x' is not one of",
      none,
    ],
    [
      25,
      [
        ["resources1", "VCPU:1"],
        ["resources2", "VCPU:1"],
      ],
      'The "group_policy" parameter',
      none,
    ],
    [25, [["group_policy", "none"]], "At least one request group", none],
    [
      25,
      [
        ["resources", "VCPU:1"],
        ["required1", "T1"],
      ],
      "All traits parameters must be associated with resources.  Found the following orphaned " +
        "traits keys: required1",
      none,
    ],
    [
      25,
      [
        ["resources", "VCPU:1"],
        ["member_of1", A],
      ],
      "orphaned member_of keys: member_of1",
      none,
    ],
    [
      31,
      [
        ["resources", "VCPU:1"],
        ["in_tree1", A],
      ],
      "All request groups must specify",
      none,
    ],
    [
      22,
      [
        ["resources", "VCPU:1"],
        ["required", "T1,!T1"],
      ],
      "traits found in the following traits keys: required: (T1)",
      none,
    ],
    [
      35,
      [
        ["resources", "VCPU:1"],
        ["root_required", "T1"],
        ["root_required", "T2"],
      ],
      "may be specified only once",
      ERROR_CODES.illegalDuplicateQueryParameter,
    ],
    [
      35,
      [
        ["resources", "VCPU:1"],
        ["root_required", "T2,T1,!T1,!T2"],
      ],
      "found in root_required: T1, T2",
      queryParameterBadValue,
    ],
    [
      39,
      [
        ["resources", "VCPU:1"],
        ["root_required", "in:T1,T2"],
      ],
      "only supported since",
      none,
    ],
    [
      36,
      [
        ["resources", "VCPU:1"],
        ["same_subtree", ","],
      ],
      "Empty string",
      queryParameterBadValue,
    ],
    [36, [["required", "T1"]], "There must be at least one", queryParameterMissingValue],
    [
      36,
      [
        ["resources", "VCPU:1"],
        ["required_A", "T1"],
      ],
      "bad group(s) - ['_A'].",
      queryParameterBadValue,
    ],
    [
      36,
      [
        ["resources_A", "VCPU:1"],
        ["same_subtree", "_A,_B"],
      ],
      "['_B'] not found in ['_A'].",
      queryParameterBadValue,
    ],
  ])("in 1.%i %j is refused: %s", (minor, pairs, message, code) => {
    const error = refusal(minor, pairs);
    expect(error.detail).toContain(message);
    expect(error.code).toBe(code);
  });
});

describe("what is said more than once", () => {
  test("is looked at once", () => {
    const repeated = (name: string, value: string): Pair[] => {
      return Array.from({ length: 100 }, () => [name, value]);
    };
    const { groups, sameSubtrees } = read(39, [
      ["resources_A", "VCPU:1"],
      ...repeated("required_A", "T1"),
      ...repeated("required_A", "in:T3,T2"),
      ["required_A", "in:T2,T3"],
      ...repeated("member_of_A", A),
      ...repeated("same_subtree", "_A"),
    ]);
    expect(groups[0]?.requiredTraits).toEqual([new Set(["T1"]), new Set(["T3", "T2"])]);
    expect(groups[0]?.memberOf).toEqual([new Set([A])]);
    expect(sameSubtrees).toHaveLength(1);
  });

  test("is read once for all of its name, however often that comes", () => {
    const asked: string[] = [];
    const pairs: Pair[] = [
      ["resources", "VCPU:1"],
      ...Array.from({ length: 500 }, (_, number): Pair => ["required", `T${number}`]),
      ...Array.from({ length: 500 }, (): Pair => ["member_of", A]),
    ];
    read(39, pairs, (name) => asked.push(name));
    expect(asked.toSorted()).toEqual([...new Set(asked)].sort());
  });
});

describe("a query beyond a limit", () => {
  const { groups, resources, traits, aggregates, sameSubtrees } = QUERY_LIMITS;
  const listed = (count: number, value: (number: number) => string): string =>
    Array.from({ length: count }, (_, number) => value(number)).join(",");
  const queries: [limit: string, of: (count: number) => Pair[], most: number][] = [
    [
      groups.of,
      (count) => [
        ["group_policy", "none"],
        ...Array.from({ length: count }, (_, it): Pair => [`resources_${it}`, "VCPU:1"]),
      ],
      groups.most,
    ],
    [resources.of, (count) => [["resources", listed(count, (it) => `C${it}:1`)]], resources.most],
    [
      traits.of,
      (count) => [
        ["resources", "VCPU:1"],
        ["required", listed(count - 1, (it) => `T${it}`)],
        ["required", "!T"],
      ],
      traits.most,
    ],
    [
      aggregates.of,
      (count) => [
        ["resources", "VCPU:1"],
        ["member_of", `!in:${listed(count - 1, aggregate)}`],
        ["member_of", A],
      ],
      aggregates.most,
    ],
    [
      sameSubtrees.of,
      (count) => [
        ["group_policy", "none"],
        ...Array.from({ length: 8 }, (_, it): Pair => [`resources_${it}`, "VCPU:1"]),
        ...Array.from({ length: count }, (_, it): Pair => {
          const suffixes = Array.from({ length: 8 }, (__, bit) => `_${bit}`);
          return ["same_subtree", suffixes.filter((___, bit) => ((it + 1) >> bit) % 2).join(",")];
        }),
      ],
      sameSubtrees.most,
    ],
  ];
  test.each(queries)("of %s is refused, with the limit", (of, query, most) => {
    expect(() => read(39, query(most))).not.toThrow();
    expect(refusal(39, query(most + 1)).detail).toContain(
      `A query may have at most ${most} ${of}. Got: ${most + 1}.`,
    );
  });
});

function aggregate(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

type Pair = [name: string, value: string];

function read(
  minor: number,
  pairs: Pair[],
  onGetAll: (name: string) => void = () => {},
): CandidateQuery {
  const request = {
    microversion: { major: 1, minor },
    query: {
      pairs,
      get: (name: string) => pairs.findLast(([present]) => present === name)?.[1],
      getAll: (name: string) => {
        onGetAll(name);
        return pairs.filter(([present]) => present === name).map(([, value]) => value);
      },
      has: (name: string) => pairs.some(([present]) => present === name),
    },
  } as unknown as ApiRequest;
  querySchema(request).validateQuery(request.query);
  return readCandidateQuery(request);
}

function refusal(minor: number, pairs: Pair[]): HttpError {
  try {
    read(minor, pairs);
  } catch (error) {
    if (error instanceof HttpError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function emptyGroup(suffix: string) {
  return {
    suffix,
    resources: new Map(),
    requiredTraits: [],
    forbiddenTraits: new Set(),
    memberOf: [],
    forbiddenAggregates: new Set(),
    inTree: undefined,
  };
}
