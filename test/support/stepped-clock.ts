// Loaded into a process before anything else: its clock goes on as if somebody had set it, by
// STOWAGE_TEST_CLOCK: `+3600000` from the start, or `+3600000@2000` once it has run for two seconds; several
// with commas between.

const steps = (process.env["STOWAGE_TEST_CLOCK"] ?? "").split(",").map((step) => {
  const [byMs = "0", afterMs = "0"] = step.split("@");
  return { byMs: Number(byMs), afterMs: Number(afterMs) };
});

const RealDate = Date;

function stepped(): number {
  const ranMs = performance.now();
  const due = steps.filter(({ afterMs }) => ranMs >= afterMs);
  return due.reduce((now, { byMs }) => now + byMs, RealDate.now());
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, values, itself) =>
    Reflect.construct(target, values.length === 0 ? [stepped()] : values, itself) as object,
  apply: () => new RealDate(stepped()).toString(),
  get: (target, name, itself) =>
    name === "now" ? stepped : (Reflect.get(target, name, itself) as unknown),
});
