import { copyFileSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CertificateFiles, watchCertificate } from '../../src/http/certificate.ts';
import { createListenService, type ListenService } from '../../src/http/listen-service.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = temporaryFolder();
const services: ListenService[] = [];

afterEach(async () => {
  await Promise.all(services.splice(0).map(async (service) => await service.stop()));
});

async function makePair(commonName: string): Promise<CertificateFiles> {
  const folder = mkdtempSync(join(root, 'pair-'));
  const [certificate, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', `/CN=${commonName}`, '-days', '2', '-nodes'];
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const files = ['-keyout', key, '-out', certificate];
  const env = toolEnvironment();
  await runChecked(['openssl', 'req', '-x509', ...algorithm, ...subject, ...files], { env });
  return { certificate, key };
}

async function started(files: CertificateFiles) {
  const { log, lines } = recordedLog();
  const service = createListenService({
    host: '127.0.0.1',
    port: 0,
    nextFreePort: false,
    log,
    certificate: watchCertificate(files, log, 30),
    createListener: () => (_request, response) => response.end('here'),
  });
  services.push(service);
  await service.start();
  return { url: service.url(), port: Number(new URL(service.url()).port), lines, service };
}

/** The name in the certificate that a new connection is shown. */
async function shownName(port: number): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const name = socket.getPeerCertificate().subject.CN;
      socket.end();
      resolve(String(name));
    });
    socket.once('error', reject);
  });
}

async function body(url: string): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve(Buffer.concat(chunks).toString());
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}

describe('a server with a certificate', () => {
  it('answers on https and says so in its URL', async () => {
    const { url, port } = await started(await makePair('one'));
    expect(url).toBe(`https://127.0.0.1:${port}`);
    expect(await body(url)).toBe('here');
    expect(await shownName(port)).toBe('one');
  });

  it('shows a new certificate to new connections, without losing those that are open', async () => {
    const [files, next] = [await makePair('old'), await makePair('new')];
    const { port } = await started(files);
    const open = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => {
      open.once('secureConnect', resolve);
    });
    copyFileSync(next.key, files.key);
    copyFileSync(next.certificate, files.certificate);
    await poll('the new certificate', async () =>
      (await shownName(port)) === 'new' ? true : undefined,
    );
    const answered = new Promise<string>((resolve) => {
      open.once('data', (chunk: Buffer) => {
        resolve(chunk.toString());
      });
    });
    open.write('GET / HTTP/1.1\r\nHost: farm\r\n\r\n');
    expect(await answered).toContain('200 OK');
    open.destroy();
  });

  it('follows a link that is switched to the next certificate', async () => {
    // The next one is older, as when somebody goes back.
    const [second, first] = [await makePair('second'), await makePair('first')];
    const folder = mkdtempSync(join(root, 'live-'));
    const live = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    symlinkSync(first.certificate, live.certificate);
    symlinkSync(first.key, live.key);
    const { port } = await started(live);
    for (const name of ['key', 'certificate'] as const) {
      symlinkSync(second[name], `${live[name]}.new`);
      renameSync(`${live[name]}.new`, live[name]);
    }
    await poll('the second certificate', async () =>
      (await shownName(port)) === 'second' ? true : undefined,
    );
  });

  it('keeps the one it has while the files do not fit, and says so', async () => {
    const [files, other] = [await makePair('kept'), await makePair('other')];
    const { port, lines } = await started(files);
    copyFileSync(other.key, files.key);
    await poll('the log to say so', () =>
      lines().some(({ msg }) => msg === 'the certificate stays what it was') ? true : undefined,
    );
    expect(await shownName(port)).toBe('kept');
    rmSync(files.certificate);
    expect(await shownName(port)).toBe('kept');
    copyFileSync(other.certificate, files.certificate);
    await poll('the other one', async () =>
      (await shownName(port)) === 'other' ? true : undefined,
    );
  });

  it('does not start with files that are no certificate', async () => {
    const files = await makePair('broken');
    writeFileSync(files.certificate, 'nothing');
    await expect(started(files)).rejects.toMatchObject({ code: 'certificate-unusable' });
  });

  it('stops at once although a client has connected and says nothing', async () => {
    const { port, service } = await started(await makePair('quiet'));
    const silent = connectPlain({ port, host: '127.0.0.1' });
    const shaken = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => {
      shaken.once('secureConnect', resolve);
    });
    const closed = [silent, shaken].map(
      async (socket) => await new Promise((resolve) => socket.once('close', resolve)),
    );
    for (const socket of [silent, shaken]) {
      socket.on('error', () => {});
    }
    await service.stop();
    await Promise.all(closed);
  });
});
