<?php

/**
 * The web application of the lab: counts in its session, and shows a fragment that whoever came first has put into the
 * farm's memcached. Its release is the number in VERSION beside it.
 */

declare(strict_types=1);

require __DIR__ . '/session-guard.php';
require __DIR__ . '/session-stores.php';

$version = (int) file_get_contents(__DIR__ . '/VERSION');
$pdo = new PDO('sqlite:' . getenv('LAB_DATABASE'), null, null, [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_TIMEOUT => 10,
]);
$pdo->exec('PRAGMA synchronous = OFF');
[$host, $port] = explode(':', (string) getenv('LAB_MEMCACHED'));
$memcached = new Memcached();
$memcached->addServer($host, (int) $port);

if (getenv('LAB_GUARD') !== 'off') {
    $guard = new Rookery\SessionGuard(
        version: $version,
        database: new Rookery\PdoSessions($pdo),
        cache: new Rookery\MemcachedSessions($memcached),
    );
    session_set_save_handler($guard, true);
}
try {
    session_start(['use_strict_mode' => true, 'cookie_httponly' => true]);
} catch (Rookery\SessionFromNewerRelease $newer) {
    $newer->answer();
}
$_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
if (isset($_GET['slow'])) {
    usleep(1000 * (int) $_GET['slow']);
}
session_write_close();

$fragment = $memcached->get('fragment');
if ($fragment === false) {
    $fragment = $version;
    $memcached->set('fragment', $fragment);
}
header('Content-Type: application/json');
echo json_encode([
    'version' => $version,
    'count' => $_SESSION['count'],
    'fragment' => $fragment,
    'node' => getenv('LAB_NODE'),
    'farm' => getenv('LAB_FARM'),
    'php' => get_cfg_var('rookery.tree'),
]);
