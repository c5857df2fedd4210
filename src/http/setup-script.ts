import type { IncomingMessage, ServerResponse } from 'node:http';
import { requireChannel } from './api/lookups.ts';
import { renderClientScript } from './client-script.ts';
import type { HttpContext } from './context.ts';
import { requirePublicUrl } from './public-url.ts';

interface Feed {
  readonly profile: string;
  readonly channel: string;
}

/** The script that makes a node a client of a channel. Throws `unknown-profile`, `profile-broken`, `unknown-channel`. */
export function setupScript(
  context: HttpContext,
  { profile, channel }: Feed,
  publicUrl: string,
): string {
  requireChannel(context, profile, channel);
  return renderClientScript({
    profile,
    channel,
    uri: `${publicUrl}/binhost/${profile}/${channel}`,
    server: publicUrl,
    php: context.phpUrl ?? undefined,
    publicKey: context.publicKey,
    fingerprint: context.fingerprint,
  });
}

/** Answers with the script, as a file to be saved. Throws what `setupScript` throws, and `public-url-missing`. */
export function sendSetupScript(
  context: HttpContext,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  feed: Feed,
): void {
  requireChannel(context, feed.profile, feed.channel);
  const script = setupScript(context, feed, requirePublicUrl(context, request));
  response.writeHead(200, {
    'Content-Type': 'text/x-shellscript; charset=utf-8',
    'Content-Length': Buffer.byteLength(script),
    'Cache-Control': 'no-cache',
  });
  response.end(script);
}
