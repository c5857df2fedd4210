import { createTransport } from 'nodemailer';
import type { NoticeWay } from './notifier.ts';

export interface MailSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS where the server offers it. */
  readonly isTls: boolean;
  /** Null: none. */
  readonly account: { readonly user: string; readonly password: string } | null;
  readonly from: string;
  readonly to: readonly string[];
  readonly timeoutMs: number;
}

/** Mails a notice, through a server that keeps and sends it again itself. */
export function createMail(settings: MailSettings): NoticeWay {
  const { host, port, isTls, account, from, to, timeoutMs } = settings;
  return {
    name: `mail through ${host}:${port}`,
    send: async ({ rollout, urgency, subject, text }) => {
      const transport = createTransport({
        host,
        port,
        secure: isTls,
        connectionTimeout: timeoutMs,
        greetingTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        ...(account === null ? {} : { auth: { user: account.user, pass: account.password } }),
      });
      try {
        await transport.sendMail({
          from,
          to: [...to],
          subject: `[rookery] ${urgency === 'info' ? '' : `${urgency}: `}${subject}`,
          text: `${text}\n\nRollout ${rollout}\n`,
          priority: urgency === 'urgent' ? 'high' : 'normal',
          headers: { 'Auto-Submitted': 'auto-generated', 'X-Rookery-Rollout': rollout },
        });
      } finally {
        transport.close();
      }
    },
  };
}
