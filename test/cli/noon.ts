/** 2026-11-22 12:00:00 UTC, in milliseconds. */
export const NOON = Date.UTC(2026, 10, 22, 12);
