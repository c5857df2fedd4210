/*
 * What a tree has in etc/ where its maker gives nothing else. No value of one host is in here: on a node, settings come
 * from @SITE@ (pools/*.conf for php-fpm, conf.d/*.ini for php), which are read last. See docs/decisions/0025.
 */

export const PHP_INI = `; Settings of this PHP tree. A node's own come from its site folder and are read after these.
[PHP]
engine = On
short_open_tag = Off
output_buffering = 4096
implicit_flush = Off
zend.exception_ignore_args = On
expose_php = Off
max_execution_time = 30
max_input_time = 60
memory_limit = 128M
error_reporting = E_ALL & ~E_DEPRECATED
display_errors = Off
display_startup_errors = Off
log_errors = On
html_errors = On
variables_order = "GPCS"
request_order = "GP"
register_argc_argv = Off
auto_globals_jit = On
post_max_size = 8M
default_mimetype = "text/html"
default_charset = "UTF-8"
enable_dl = Off
file_uploads = On
upload_max_filesize = 2M
max_file_uploads = 20
allow_url_fopen = On
allow_url_include = Off
default_socket_timeout = 60
realpath_cache_size = 4096k
realpath_cache_ttl = 600

[Session]
session.use_strict_mode = 1
session.use_cookies = 1
session.use_only_cookies = 1
session.cookie_httponly = 1
session.gc_probability = 0

[Assertion]
zend.assertions = -1

[opcache]
opcache.enable = 1
opcache.enable_cli = 0
opcache.memory_consumption = 192
opcache.interned_strings_buffer = 16
opcache.max_accelerated_files = 20000
opcache.validate_timestamps = 1
opcache.revalidate_freq = 2
`;

/**
 * A reload or QUIT waits for requests as long as `process_control_timeout` says (by default not at all), so it is longer
 * than any request may take.
 */
export const FPM_CONF = `; A template: what stands between @ is filled in on the node, in a copy outside of the tree.
[global]
pid = @RUN@/@ID@.pid
error_log = @LOG@/@ID@.log
log_level = notice
process_control_timeout = 90s
emergency_restart_threshold = 10
emergency_restart_interval = 1m

[www]
; Without root both are passed over. A site names its own in pools/*.conf.
user = nobody
listen = @RUN@/@ID@.sock
listen.mode = 0660
listen.backlog = 1024
pm = dynamic
pm.max_children = 16
pm.start_servers = 4
pm.min_spare_servers = 2
pm.max_spare_servers = 8
pm.max_requests = 10000
pm.status_path = /rookery-php-status
ping.path = /rookery-php-ping
ping.response = @ID@
request_terminate_timeout = 60s
catch_workers_output = yes
decorate_workers_output = no
clear_env = yes
security.limit_extensions = .php

; Settings of the site win: a section [www] in them goes on with the pool above.
include = @SITE@/pools/*.conf
`;

/** Those that others need to be loaded before them, or after others. All the rest are in between. */
const FIRST = new Set([
  'mysqlnd',
  'pdo',
  'igbinary',
  'msgpack',
  'sockets',
  'dom',
  'xml',
  'raphf',
  'psr',
  'session',
  'json',
]);
const LAST = new Set([
  'event',
  'http',
  'memcached',
  'mysqli',
  'phalcon',
  'redis',
  'rdkafka',
  'soap',
  'swoole',
  'xmlreader',
  'xmlwriter',
  'xsl',
]);

/** The files of etc/conf.d that load these extensions, each after what it may need; name to text. */
export function confFiles(
  extensions: readonly { readonly name: string; readonly kind: 'zend_extension' | 'extension' }[],
): ReadonlyMap<string, string> {
  return new Map(
    extensions.map(({ name, kind }) => [
      `${rankOf(name, kind)}-${name}.ini`,
      `${kind} = ${name}.so\n`,
    ]),
  );
}

function rankOf(name: string, kind: 'zend_extension' | 'extension'): string {
  if (kind === 'zend_extension') {
    return name === 'opcache' ? '10' : '15';
  }
  if (FIRST.has(name)) {
    return '20';
  }
  return LAST.has(name) || /^(?:pdo|mysql|redis|memcache)_?/.test(name) ? '40' : '30';
}
