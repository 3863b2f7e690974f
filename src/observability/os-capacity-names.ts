import type { CollectedMetrics } from "./metrics.ts";

/** A series of os-capacity, which dashboards are made for. */
const NAME = "openstack_free_capacity_by_flavor_total";

/**
 * With what fits of each flavor by the name that os-capacity has for it, too. Whether a flavor is public is known to
 * Nova alone: the label is there, and empty.
 */
export function withOsCapacityNames(metrics: CollectedMetrics): CollectedMetrics {
  const fits = metrics.find(({ name }) => name === "stowage_fit_total");
  if (fits === undefined) return metrics;
  const values = fits.values
    .filter(({ labels }) => labels["state"] === "now")
    .map(({ value, labels }) => ({
      value,
      labels: { flavor_name: labels["flavor"], public: "" },
    }));
  const help = "How often a flavor of fit_flavors_file can be claimed until nothing fits.";
  return [...metrics, { ...fits, name: NAME, help, values }];
}
