import * as z from 'zod';

/**
 *     GET /api/profiles                                          -> profileListSchema
 *     GET /api/profiles/:profile                                 -> profileViewSchema
 *     GET /api/profiles/:profile/packages?channel=&search=&limit=&offset=   -> packageListSchema
 *     GET /api/packages/:id                                      -> packageDetailSchema
 *     PUT /api/profiles/:profile/packages?sha512=                bytes -> 201 (or 200: had it) packageViewSchema   (builder)
 *     GET /api/profiles/:profile/client?channel=                 the setup script, text/x-shellscript
 */
export const packageViewSchema = z.object({
  id: z.string(),
  profile: z.string(),
  cpv: z.string(),
  slot: z.string(),
  buildId: z.number(),
  path: z.string(),
  size: z.number(),
  sha512: z.string(),
  /** Seconds since the epoch. */
  buildTime: z.number(),
  /** Fingerprint of the key that signed it. */
  signedBy: z.string(),
  description: z.string(),
  use: z.string(),
  importedAt: z.number(),
});
export type PackageView = z.infer<typeof packageViewSchema>;

export const packageDetailSchema = packageViewSchema.extend({
  md5: z.string(),
  sha1: z.string(),
  origin: z.string(),
  /** Why its bytes cannot be had; null when they can. */
  damaged: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
});

export const packageListSchema = z.object({
  packages: z.array(packageViewSchema),
  total: z.number().int(),
});

export const profileViewSchema = z.object({
  name: z.string(),
  description: z.string(),
  arch: z.string(),
  chost: z.string(),
  executor: z.enum(['portage', 'source']),
  channels: z.array(z.string()),
  makeConf: z.string(),
});
export type ProfileView = z.infer<typeof profileViewSchema>;

export const profileListSchema = z.object({
  profiles: z.array(profileViewSchema),
  broken: z.record(z.string(), z.array(z.string())),
});
