/** The end of what `start-postgresql.mjs` has started. */
// oxlint-disable-next-line import/no-default-export -- what Jest asks for
export default async function stopPostgresql() {
  await globalThis.rookeryPostgresql?.remove();
}
