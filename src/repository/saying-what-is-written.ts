import { sayingDiskFull } from '../support/disk-space.ts';
import type { Repository } from './repository.ts';

/** The same repository, whose changes throw `disk-full` with what was to be written where when there is no room. */
export function sayingWhatIsWritten(repository: Repository): Repository {
  const { retention } = repository;
  return {
    ...repository,
    receiveUpload: async (stream, expected) =>
      await sayingDiskFull(
        { what: `the upload ${expected.sha512.slice(0, 12)}`, where: 'state/uploads' },
        async () => await repository.receiveUpload(stream, expected),
      ),
    importPackage: async (request) =>
      await sayingDiskFull(
        {
          what: `the package of ${request.profile} from the upload ${request.uploadSha512.slice(0, 12)}`,
          where: `state/pool and mirror-root/binhost/${request.profile}/packages`,
        },
        async () => await repository.importPackage(request),
      ),
    publish: async (request) =>
      await publishing(request, async () => await repository.publish(request)),
    promote: async (request) =>
      await publishing(request, async () => await repository.promote(request)),
    rollback: async (request) =>
      await publishing(request, async () => await repository.rollback(request)),
    stage: async (name, profile, packageIds) => {
      await sayingDiskFull(
        { what: `the packages of ${name}`, where: 'state/staging' },
        async () => {
          await repository.stage(name, profile, packageIds);
        },
      );
    },
    retention: {
      ...retention,
      collect: async (request) =>
        await sayingDiskFull(
          { what: 'the note about what is to be collected', where: 'state/intents' },
          async () => await retention.collect(request),
        ),
    },
  };
}

async function publishing<T>(
  { profile, channel }: { readonly profile: string; readonly channel: string },
  work: () => Promise<T>,
): Promise<T> {
  const where = `mirror-root/binhost/${profile}/.publications`;
  return await sayingDiskFull({ what: `a publication on ${channel} of ${profile}`, where }, work);
}
