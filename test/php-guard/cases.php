<?php

/**
 * Plays steps, a JSON list on standard input, each as a request of its own to an application with the guard, and prints what each one found.
 * A step: {farm, version, do}, `do` one of count, look, forget-copy, stale-copy, newer-copy, destroy, lower-mark, race, regenerate.
 */

declare(strict_types=1);

require $argv[1] . '/session-guard.php';
require $argv[1] . '/session-stores.php';

use Rookery\MemcachedSessions;
use Rookery\PdoSessions;
use Rookery\SessionCache;
use Rookery\SessionGuard;
use Rookery\StoredSession;

/** A farm's memcached, as an array. */
final class ArrayCache implements SessionCache
{
    /** @var array<string, StoredSession> */
    public array $copies = [];

    public function get(string $id): ?StoredSession
    {
        return $this->copies[$id] ?? null;
    }

    public function set(string $id, StoredSession $session): void
    {
        $this->copies[$id] = $session;
    }

    public function delete(string $id): void
    {
        unset($this->copies[$id]);
    }
}

ini_set('session.use_cookies', '0');
ini_set('session.use_only_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('session.use_strict_mode', '0');

$pdo = new PDO($argv[2], $argv[3] ?? null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$database = new PdoSessions($pdo);
$database->createTable();
$database->createTable();
$farms = [];
$id = 'abc';

function cacheOf(string $farm, array &$farms): SessionCache
{
    if (!isset($farms[$farm])) {
        if (str_contains($farm, ':')) {
            [$host, $port] = explode(':', $farm);
            $memcached = new Memcached();
            $memcached->addServer($host, (int) $port);
            $farms[$farm] = new MemcachedSessions($memcached);
        } else {
            $farms[$farm] = new ArrayCache();
        }
    }
    return $farms[$farm];
}

$found = [];
ob_start();
foreach (json_decode(stream_get_contents(STDIN), true) as $step) {
    $cache = cacheOf($step['farm'] ?? 'web1', $farms);
    $guard = new SessionGuard(version: $step['version'] ?? 1, database: $database, cache: $cache);
    if ($step['do'] === 'stale-copy') {
        $kept = $cache->get($id);
        $cache->set($id, new StoredSession($kept->version, $kept->revision - 1, 'n|i:1000;'));
        continue;
    }
    if ($step['do'] === 'newer-copy') {
        $kept = $cache->get($id);
        $cache->set($id, new StoredSession($kept->version + 1, $kept->revision, 'n|i:2000;'));
        continue;
    }
    if ($step['do'] === 'lower-mark') {
        $pdo->exec('UPDATE rookery_sessions SET version = 1');
        continue;
    }
    if ($step['do'] === 'forget-copy') {
        $cache->delete($id);
        continue;
    }
    session_set_save_handler($guard, false);
    session_id($id);
    try {
        session_start();
        if ($step['do'] === 'count') {
            $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
        } elseif ($step['do'] === 'race') {
            $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
            // Another request, of another version or the same, on another farm, is faster.
            $other = new SessionGuard($step['other'], $database, cacheOf('web9', $farms));
            $other->read($id);
            if (($step['reads'] ?? false) === false) {
                $other->write($id, 'n|i:70;');
            }
        } elseif ($step['do'] === 'regenerate') {
            session_regenerate_id(true);
            $id = session_id();
        }
        $seen = $_SESSION['n'] ?? null;
        if ($step['do'] === 'destroy') {
            session_destroy();
        } else {
            session_write_close();
        }
        $found[] = $seen;
    } catch (Rookery\SessionFromNewerRelease $newer) {
        session_status() === PHP_SESSION_ACTIVE && session_abort();
        $found[] = "newer: {$newer->seen} > {$newer->version}";
    } catch (Rookery\SessionHasChanged) {
        $found[] = 'changed';
    }
}
$versions = $pdo->query('SELECT version FROM rookery_sessions')->fetchAll(PDO::FETCH_COLUMN);
ob_end_clean();
echo json_encode(['found' => $found, 'versions' => array_map(intval(...), $versions)]);
