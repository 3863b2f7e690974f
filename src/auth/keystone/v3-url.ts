/**
 * The root of Keystone's v3 API, without a slash at the end. Configurations and catalogs name it
 * with or without a version; every Keystone has it at `/v3`.
 */
export function v3Url(url: string): string {
  return `${url.replace(/(?<!\/)\/+$/, "").replace(/\/v(?:2\.0|3)$/, "")}/v3`;
}
