/** No job for this profile is handed out. */
export interface ProfilePause {
  readonly profile: string;
  readonly by: string;
  readonly reason: string;
  readonly pausedAt: number;
}
