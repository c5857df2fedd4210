
# Asks a socket for scripts as a web server would, and prints "STATUS FIRST-LINE" of each answer. PHP itself is the
# client: it is in every tree. Arguments: socket, scripts. Format: FastCGI 1.0, sections 3 to 5.
FASTCGI_CLIENT='
function record($type, $text) { return pack("CCnnCC", 1, $type, 1, strlen($text), 0, 0) . $text; }
function pair($name, $value) { return pack("NN", strlen($name) | 0x80000000, strlen($value) | 0x80000000) . $name . $value; }
function bytes($stream, $count) {
  for ($text = ""; strlen($text) < $count; $text .= $more) {
    $more = fread($stream, $count - strlen($text));
    if ($more === false || $more === "") { fwrite(STDERR, "the answer ends early\n"); exit(1); }
  }
  return $text;
}
function answer($socket, $script, $query) {
  $stream = @stream_socket_client("unix://$socket", $number, $error, 5);
  if ($stream === false) { fwrite(STDERR, "$socket: $error\n"); exit(1); }
  stream_set_timeout($stream, 60);
  $names = ["GATEWAY_INTERFACE" => "CGI/1.1", "SERVER_PROTOCOL" => "HTTP/1.1", "REQUEST_METHOD" => "GET",
    "SCRIPT_FILENAME" => $script, "SCRIPT_NAME" => "/" . basename($script), "REQUEST_URI" => "/" . basename($script),
    "QUERY_STRING" => $query, "SERVER_NAME" => "localhost", "SERVER_ADDR" => "127.0.0.1", "SERVER_PORT" => "80",
    "REMOTE_ADDR" => "127.0.0.1", "HTTP_HOST" => "localhost", "HTTP_USER_AGENT" => "rookery-php"];
  $pairs = "";
  foreach ($names as $name => $value) $pairs .= pair($name, $value);
  fwrite($stream, record(1, pack("nCx5", 1, 0)) . record(4, $pairs) . record(4, "") . record(5, ""));
  for ($text = "";;) {
    $head = unpack("Cversion/Ctype/nid/nlength/Cpadding/Cx", bytes($stream, 8));
    $part = bytes($stream, $head["length"]);
    bytes($stream, $head["padding"]);
    if ($head["type"] === 6) $text .= $part;
    if ($head["type"] === 3) break;
  }
  list($headers, $body) = explode("\r\n\r\n", $text, 2) + ["", ""];
  $status = preg_match("/^Status: ([0-9]+)/mi", $headers, $found) ? $found[1] : "200";
  echo $status, " ", substr(strtok($body . "\n", "\n"), 0, 200), "\n";
}
for ($i = 2; $i < $argc; $i++) {
  list($script, $query) = explode("?", $argv[$i], 2) + ["", ""];
  answer($argv[1], $script, $query);
}'
