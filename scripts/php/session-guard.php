<?php

/**
 * Keeps sessions from going back to an older release of a web application while farms with both releases serve visitors,
 * and from going on from an old copy in a farm's memcached. It is the second line: the balancer is the first (see
 * "The application's side" in docs/fleet.md). PHP 8.2 or newer, no other library:
 *
 *     require 'session-guard.php';
 *     require 'session-stores.php';
 *     $guard = new Rookery\SessionGuard(
 *         version: 2026113001,
 *         database: new Rookery\PdoSessions($pdo),
 *         cache: new Rookery\MemcachedSessions($memcached),
 *     );
 *     session_set_save_handler($guard, true);
 *     try {
 *         session_start();
 *     } catch (Rookery\SessionFromNewerRelease $newer) {
 *         $newer->answer();
 *     }
 *
 * The database is the judge. Of every session it knows the highest version that has touched it, and a revision that grows
 * with every change.
 * - An older version is refused: SessionFromNewerRelease. The mark never goes down.
 * - A copy in the cache counts only when its revision is not older than the database's, and when no newer version wrote
 *   it; otherwise the session is loaded from the database again.
 * - Of two requests that change the same state of a session, the second is told (SessionHasChanged); nothing is lost in
 *   silence.
 */

declare(strict_types=1);

namespace Rookery;

/** A session as it is stored. */
final class StoredSession
{
    public function __construct(
        public readonly int $version,
        public readonly int $revision,
        public readonly string $data,
    ) {
    }
}

/** What is true of all farms. Every method throws when the database cannot do it. */
interface SessionDatabase
{
    /** Version and revision, without the data; null: there is no such session. */
    public function mark(string $id): ?StoredSession;

    public function load(string $id): ?StoredSession;

    /**
     * Stores it when the session has this revision (0: does not exist) and no higher version than the new one. Tells
     * whether it did; of two callers at the same time, one only is told so.
     */
    public function save(string $id, StoredSession $session, int $expectedRevision): bool;

    /** Raises the version; never lowers it. */
    public function raise(string $id, int $version): void;

    /** It was used. */
    public function touch(string $id): void;

    public function delete(string $id): void;

    /** Removes what was not used for so long. Returns how many. */
    public function collect(int $seconds): int;
}

/** A farm's copy. It may forget and it may be gone: then it says nothing and throws nothing. */
interface SessionCache
{
    public function get(string $id): ?StoredSession;

    public function set(string $id, StoredSession $session): void;

    public function delete(string $id): void;
}

/** The session was touched by a newer release than this one. */
final class SessionFromNewerRelease extends \RuntimeException
{
    public function __construct(public readonly int $seen, public readonly int $version)
    {
        parent::__construct("version $seen has used this session, and this is version $version");
    }

    /** Answers 409 and ends. The visitor's next request should reach a farm with the newer release. */
    public function answer(): never
    {
        if (!headers_sent()) {
            http_response_code(409);
            header('Content-Type: text/plain; charset=utf-8');
            header('Cache-Control: no-store');
            header('Retry-After: 1');
        }
        echo "This session has been used with a newer version. Please load the page again.\n";
        exit;
    }
}

/** Another request has stored the session since this one has read it. What this one wanted to store was not stored. */
final class SessionHasChanged extends \RuntimeException
{
}

final class SessionGuard implements \SessionHandlerInterface, \SessionUpdateTimestampHandlerInterface
{
    /** @var array<string, array{expected: int, revision: int}> Of the sessions that were read, what was found. */
    private array $known = [];

    /**
     * @param int $version A number that is higher for every release whose sessions an older release must not get; releases
     *                     that understand each other's sessions may share one.
     */
    public function __construct(
        private readonly int $version,
        private readonly SessionDatabase $database,
        private readonly ?SessionCache $cache = null,
    ) {
        if ($version < 1) {
            throw new \InvalidArgumentException("the version is $version: it has to be at least 1");
        }
    }

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        $this->known = [];
        return true;
    }

    /** @throws SessionFromNewerRelease */
    public function read(string $id): string
    {
        $mark = $this->database->mark($id);
        if ($mark === null) {
            // It was destroyed on another farm, or never was: a copy that is left here must not bring it back.
            $this->cache?->delete($id);
            $this->known[$id] = self::absent();
            return '';
        }
        $this->mustBeOurs($mark);
        $copy = $this->copyNotOlderThan($id, $mark);
        $session = $copy ?? $this->loadAnew($id);
        if ($session === null) {
            $this->known[$id] = self::absent();
            return '';
        }
        if ($mark->version < $this->version) {
            // Whoever has seen a page of this version has seen it, even if the page changes nothing.
            $this->database->raise($id, $this->version);
        }
        $expected = $session->revision;
        if ($copy !== null && $copy->revision > $mark->revision) {
            // Stored in this moment, or the database has lost something and the farm knows better.
            $expected = $this->database->mark($id)?->revision ?? 0;
        }
        $this->known[$id] = ['expected' => $expected, 'revision' => $session->revision];
        return $session->data;
    }

    /** @throws SessionFromNewerRelease|SessionHasChanged */
    public function write(string $id, string $data): bool
    {
        $known = $this->known[$id] ?? self::absent();
        $session = new StoredSession($this->version, $known['revision'] + 1, $data);
        if (!$this->database->save($id, $session, $known['expected'])) {
            $mark = $this->database->mark($id);
            if ($mark !== null) {
                $this->mustBeOurs($mark);
            }
            throw new SessionHasChanged('another request has stored this session meanwhile');
        }
        $this->known[$id] = ['expected' => $session->revision, 'revision' => $session->revision];
        $this->cache?->set($id, $session);
        return true;
    }

    /** PHP calls this instead of `write` when nothing has changed (session.lazy_write). */
    public function updateTimestamp(string $id, string $data): bool
    {
        $this->database->touch($id);
        return true;
    }

    /** For session.use_strict_mode: an id that nobody has given out is not taken. */
    public function validateId(string $id): bool
    {
        return $this->database->mark($id) !== null;
    }

    public function destroy(string $id): bool
    {
        $this->database->delete($id);
        $this->cache?->delete($id);
        unset($this->known[$id]);
        return true;
    }

    public function gc(int $max_lifetime): int
    {
        return $this->database->collect($max_lifetime);
    }

    /**
     * Revisions begin with the time, in microseconds: a session that is destroyed and begun anew under the same id is newer
     * than every copy that a farm still has of the old one.
     *
     * @return array{expected: int, revision: int}
     */
    private static function absent(): array
    {
        return ['expected' => 0, 'revision' => (int) (microtime(true) * 1e6)];
    }

    private function mustBeOurs(StoredSession $mark): void
    {
        if ($mark->version > $this->version) {
            throw new SessionFromNewerRelease($mark->version, $this->version);
        }
    }

    private function copyNotOlderThan(string $id, StoredSession $mark): ?StoredSession
    {
        $copy = $this->cache?->get($id);
        $isFit = $copy !== null
            && $copy->revision >= $mark->revision
            && $copy->version <= $this->version;
        return $isFit ? $copy : null;
    }

    private function loadAnew(string $id): ?StoredSession
    {
        $session = $this->database->load($id);
        if ($session !== null) {
            $this->mustBeOurs($session);
            $this->cache?->set($id, $session);
        }
        return $session;
    }
}
