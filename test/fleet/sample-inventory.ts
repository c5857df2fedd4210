/** A site with a farm of members for the hardware profile `web`, in TOML; `lines` go into the table of the farm. */
export function sampleInventory(lines = 'members = "web7-[01-03]"'): string {
  return `[site.berlin.balancer.edge]
driver = "health-file"
noticed-after = "5s"
[site.berlin.farm.web7]
profile = "web"
address = "10.1.7.{index}"
${lines}
`;
}
