<?php

/** Where session-guard.php keeps sessions: a table of any database that PDO reaches, and memcached. */

declare(strict_types=1);

namespace Rookery;

/**
 * A table in SQLite, MySQL, MariaDB or PostgreSQL. Give it a connection of its own, with PDO::ERRMODE_EXCEPTION: what it
 * does must not wait for a transaction of the application, and not be taken back with one.
 */
final class PdoSessions implements SessionDatabase
{
    /** So rarely is it written down that a session was used, seconds. */
    private const TOUCH_SECONDS = 60;

    public function __construct(
        private readonly \PDO $pdo,
        private readonly string $table = 'rookery_sessions',
    ) {
        if (preg_match('/^[A-Za-z_][A-Za-z0-9_]*$/D', $table) !== 1) {
            throw new \InvalidArgumentException("\"$table\" is no name of a table");
        }
    }

    /** The statement that makes the table; it may be called again. */
    public function createTable(): void
    {
        $blob = match ($this->pdo->getAttribute(\PDO::ATTR_DRIVER_NAME)) {
            'pgsql' => 'BYTEA',
            'mysql' => 'MEDIUMBLOB',
            default => 'BLOB',
        };
        $this->pdo->exec(
            "CREATE TABLE IF NOT EXISTS {$this->table} (id VARCHAR(128) NOT NULL PRIMARY KEY, version BIGINT NOT NULL,"
            . " revision BIGINT NOT NULL, used_at BIGINT NOT NULL, data $blob NOT NULL)",
        );
    }

    public function mark(string $id): ?StoredSession
    {
        return $this->select("SELECT version, revision, '' AS data FROM {$this->table} WHERE id = ?", $id);
    }

    public function load(string $id): ?StoredSession
    {
        return $this->select("SELECT version, revision, data FROM {$this->table} WHERE id = ?", $id);
    }

    public function save(string $id, StoredSession $session, int $expectedRevision): bool
    {
        if ($expectedRevision === 0) {
            return $this->insert($id, $session);
        }
        $statement = $this->pdo->prepare(
            "UPDATE {$this->table} SET version = ?, revision = ?, used_at = ?, data = ?"
            . ' WHERE id = ? AND revision = ? AND version <= ?',
        );
        $this->bind($statement, [$session->version, $session->revision, time()]);
        $statement->bindValue(4, $session->data, \PDO::PARAM_LOB);
        $statement->bindValue(5, $id);
        $statement->bindValue(6, $expectedRevision, \PDO::PARAM_INT);
        $statement->bindValue(7, $session->version, \PDO::PARAM_INT);
        $statement->execute();
        return $statement->rowCount() === 1;
    }

    public function raise(string $id, int $version): void
    {
        $this->pdo->prepare("UPDATE {$this->table} SET version = ? WHERE id = ? AND version < ?")
            ->execute([$version, $id, $version]);
    }

    public function touch(string $id): void
    {
        $now = time();
        $this->pdo->prepare("UPDATE {$this->table} SET used_at = ? WHERE id = ? AND used_at < ?")
            ->execute([$now, $id, $now - self::TOUCH_SECONDS]);
    }

    public function delete(string $id): void
    {
        $this->pdo->prepare("DELETE FROM {$this->table} WHERE id = ?")->execute([$id]);
    }

    public function collect(int $seconds): int
    {
        $statement = $this->pdo->prepare("DELETE FROM {$this->table} WHERE used_at < ?");
        $statement->execute([time() - $seconds - self::TOUCH_SECONDS]);
        return $statement->rowCount();
    }

    private function insert(string $id, StoredSession $session): bool
    {
        $statement = $this->pdo->prepare(
            "INSERT INTO {$this->table} (version, revision, used_at, data, id) VALUES (?, ?, ?, ?, ?)",
        );
        $this->bind($statement, [$session->version, $session->revision, time()]);
        $statement->bindValue(4, $session->data, \PDO::PARAM_LOB);
        $statement->bindValue(5, $id);
        try {
            $statement->execute();
        } catch (\PDOException $error) {
            // Class 23 of SQL: the row is there already.
            if (str_starts_with((string) $error->getCode(), '23')) {
                return false;
            }
            throw $error;
        }
        return true;
    }

    /** @param list<int> $numbers */
    private function bind(\PDOStatement $statement, array $numbers): void
    {
        foreach ($numbers as $place => $number) {
            $statement->bindValue($place + 1, $number, \PDO::PARAM_INT);
        }
    }

    private function select(string $sql, string $id): ?StoredSession
    {
        $statement = $this->pdo->prepare($sql);
        $statement->execute([$id]);
        $row = $statement->fetch(\PDO::FETCH_ASSOC);
        $statement->closeCursor();
        if ($row === false) {
            return null;
        }
        $data = is_resource($row['data']) ? stream_get_contents($row['data']) : $row['data'];
        return new StoredSession((int) $row['version'], (int) $row['revision'], (string) $data);
    }
}

/** The farm's memcached, through the extension memcached. What it cannot store or find is in the database. */
final class MemcachedSessions implements SessionCache
{
    public function __construct(
        private readonly \Memcached $memcached,
        private readonly string $prefix = 'session:',
        private readonly int $seconds = 3600,
    ) {
    }

    public function get(string $id): ?StoredSession
    {
        $text = $this->memcached->get($this->prefix . $id);
        if (!is_string($text) || preg_match('/^(\d+) (\d+) /', $text, $found) !== 1) {
            return null;
        }
        return new StoredSession((int) $found[1], (int) $found[2], substr($text, strlen($found[0])));
    }

    public function set(string $id, StoredSession $session): void
    {
        $text = "{$session->version} {$session->revision} {$session->data}";
        $this->memcached->set($this->prefix . $id, $text, $this->seconds);
    }

    public function delete(string $id): void
    {
        $this->memcached->delete($this->prefix . $id);
    }
}
