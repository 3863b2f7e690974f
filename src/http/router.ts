import type { Dialect, Route, RouteTable } from "../api/route.ts";

/** What a path leads to: the methods that are there, and the path's parameters. */
export interface RouteMatch {
  readonly methods: ReadonlyMap<string, Route>;
  /** The value of an `Allow` header. */
  readonly allow: string;
  /** Such as `/traits/{name}`. */
  readonly template: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Finds the methods of a path, which has been decoded: as under WSGI, a `%2F` separates like any
 * slash. Paths match exactly; a trailing slash is another path, which does not exist.
 */
export class Router {
  readonly #root = new Node();
  /** By the first segment of paths. */
  readonly #dialects = new Map<string | undefined, Dialect>();

  constructor(routes: RouteTable) {
    for (const [template, methods] of Object.entries(routes)) {
      const [first] = segmentsOf(template);
      for (const { dialect } of Object.values(methods)) {
        if (dialect !== undefined) this.#dialects.set(first, dialect);
      }
      let node = this.#root;
      const names: string[] = [];
      for (const segment of segmentsOf(template)) {
        const name = /^\{(.+)\}$/.exec(segment)?.[1];
        if (name === undefined) node = node.ensureChild(segment);
        else {
          names.push(name);
          node = node.parameter ??= new Node();
        }
      }
      node.target = {
        methods: new Map(Object.entries(methods)),
        allow: Object.keys(methods).join(", "),
        template,
        names,
      };
    }
  }

  /** Also of a path that leads nowhere, below the first segment of one that does. */
  dialectOf(path: string): Dialect {
    const [first] = segmentsOf(path);
    return this.#dialects.get(first) ?? "placement";
  }

  find(path: string): RouteMatch | undefined {
    const values: string[] = [];
    const target = this.#root.find(segmentsOf(path), 0, values)?.target;
    if (!target) return undefined;
    const { methods, allow, template, names } = target;
    const parameters = Object.fromEntries(names.map((name, at) => [name, values[at] ?? ""]));
    return { methods, allow, template, parameters };
  }
}

interface Target {
  readonly methods: ReadonlyMap<string, Route>;
  readonly allow: string;
  readonly template: string;
  /** Of the parameters, in the order of the path. */
  readonly names: readonly string[];
}

class Node {
  readonly children = new Map<string, Node>();
  parameter: Node | undefined;
  target: Target | undefined;

  ensureChild(segment: string): Node {
    const child = this.children.get(segment) ?? new Node();
    this.children.set(segment, child);
    return child;
  }

  /** The node at the end of the path; the segments that stand for parameters go to `values`. */
  find(segments: readonly string[], at: number, values: string[]): Node | undefined {
    const segment = segments[at];
    if (segment === undefined) return this;
    const child = this.children.get(segment);
    if (child) return child.find(segments, at + 1, values);
    if (!this.parameter || segment === "") return undefined;
    values.push(segment);
    return this.parameter.find(segments, at + 1, values);
  }
}

/** The empty path, under which a service is asked that is mounted somewhere, is the root as well. */
function segmentsOf(path: string): readonly string[] {
  return path === "" || path === "/" ? [] : path.slice(1).split("/");
}
