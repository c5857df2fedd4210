/** What an agent of an older version does not say of itself, as the server takes it. */
export const UNSAID_ABILITIES = {
  compiler: null,
  diskFreeBytes: null,
  labels: [],
  profiles: [],
  slots: 1,
};
