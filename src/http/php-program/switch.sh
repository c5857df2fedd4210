
# What the web server includes for a tree: see scripts/php for what goes around it.
include_text() {
  if [ -n "$include_template" ]; then
    [ -f "$include_template" ] || fail 3 "there is no include-template $include_template"
    sed -e "s|@ID@|$id|g" -e "s|@TREE@|$tree|g" -e "s|@SOCKET@|$run/$id.sock|g" "$include_template"
    return 0
  fi
  printf '%s\n' "# The PHP that answers; rookery-php writes this."
  case $web_server in
    nginx) printf '%s\n' 'upstream rookery_php {' "    server unix:$run/$id.sock;" '}' ;;
    apache) printf '%s\n' "Define ROOKERY_PHP \"proxy:unix:$run/$id.sock|fcgi://localhost\"" ;;
    apache-mod-php) printf '%s\n' "LoadModule php_module $tree/lib/apache2/libphp.so" "PHPIniDir $store/$id.apache" ;;
  esac
}

# The php.ini of mod_php, which takes no other settings: in one file.
write_apache_ini() {
  [ -f "$tree/lib/apache2/libphp.so" ] || refuse 'it has no lib/apache2/libphp.so'
  mkdir -p "$store/$id.apache"
  {
    cat "$tree/etc/php.ini"
    printf '\n%s\n' "extension_dir = \"$tree/lib/extensions\"" "rookery.tree = \"$id\""
    for file in "$tree"/etc/conf.d/*.ini "$site"/conf.d/*.ini; do
      [ ! -f "$file" ] || { cat "$file"; printf '\n'; }
    done
  } > "$store/$id.apache/php.ini"
}

choose_commands() {
  case $web_server in
    nginx) set -- 'nginx -t' 'nginx -s reload' ;;
    apache | apache-mod-php) set -- 'apachectl configtest' 'apachectl graceful' ;;
    '') fail 3 "set web-server = nginx, apache or apache-mod-php in $conf" ;;
    *) fail 3 "web-server has to be nginx, apache or apache-mod-php, not \"$web_server\"" ;;
  esac
  : "${test_command:=$1}" "${reload_command:=$2}"
  : "${stop_command:=apachectl graceful-stop}" "${start_command:=apachectl start}"
  [ -n "$include" ] || fail 3 "set include = FILE in $conf: the link that the web server includes"
  [ -d "$(dirname "$include")" ] || fail 3 "the folder of include, $include, is not there"
  [ -L "$include" ] || [ ! -e "$include" ] || fail 3 "$include is there and is no link of rookery-php; move it away first"
  if [ "$web_server" = apache-mod-php ] && [ "$mod_php" = no ]; then
    fail 2 'mod_php cannot be switched while Apache runs: a graceful restart ends its children with SIGSEGV and goes on with the old version. Drain the node, then use --mod-php, which stops and starts Apache'
  fi
  if [ "$web_server" != apache-mod-php ] && [ "$mod_php" = yes ]; then
    fail 2 "--mod-php is for web-server = apache-mod-php; $web_server needs no stop"
  fi
}

run_command() {
  PHP_INI_SCAN_DIR= sh -c "$1" > "$work/log" 2>&1 < /dev/null 9>&- && return 0
  note "\"$1\" ends with an error:"
  tail -n 10 "$work/log" >&2
  return 1
}

# point_include TARGET: in one step; without a target it goes.
point_include() {
  if [ -z "$1" ]; then
    rm -f "$include"
    return 0
  fi
  ln -s "$1" "$include.new.$$"
  mv -T "$include.new.$$" "$include"
}

ask() {
  if command -v curl > /dev/null 2>&1; then
    curl -fsS --max-time 5 "$check_url" 2> "$work/log"
  elif command -v wget > /dev/null 2>&1; then
    timeout 5 wget -q -O - "$check_url" 2> "$work/log"
  else
    fail 3 'neither curl nor wget is installed'
  fi
}

# answers_from ID [COMMAND]: whether the web server answers from it, five times in a row, within check-seconds. Old workers
# may still answer at first. The command is tried again as long as nobody answers.
answers_from() {
  right=0
  end=$(($(date +%s) + check_seconds))
  while :; do
    if ask > "$work/answer"; then
      said=$(head -n 1 "$work/answer" | tr -cd 'A-Za-z0-9._+@,=~%: -' | cut -c1-100)
      said="\"$said\""
    else
      said="no answer ($(tail -n 1 "$work/log"))"
      [ "$#" -lt 2 ] || run_command "$2" 2> /dev/null || true
    fi
    if [ "$said" = "\"$1\"" ]; then
      right=$((right + 1))
      [ "$right" -lt 5 ] || return 0
    else
      right=0
      [ "$(date +%s)" -lt "$end" ] || return 1
      sleep 0.1
    fi
  done
}

# Makes the web server take what the include names now.
apply_include() {
  applied=yes
  if [ "$web_server" = apache-mod-php ]; then
    run_command "$stop_command" || return 1
    answers_from "$1" "$start_command"
  else
    run_command "$reload_command" || return 1
    answers_from "$1"
  fi
}

# Sets in_switch while a stop of this program would leave the switch half done.
switch_to() {
  former=
  [ ! -L "$include" ] || former=$(readlink "$include")
  include_text > "$work/include"
  mkdir -p "$store"
  cp "$work/include" "$store/$id.include.new"
  mv -f "$store/$id.include.new" "$store/$id.include"
  put_state switching "$id"
  in_switch=yes
  applied=no
  point_include "$store/$id.include"
  say "switched $include to $id"
  run_command "$test_command" || switch_back "the web server's configuration is not good with $id"
  say "\"$test_command\" passes"
  apply_include "$id" || switch_back "$check_url gives $said, not \"$id\""
  say "$check_url answers from $id"
  in_switch=no
}

# Ends this program: the web server has what it had before.
switch_back() {
  in_switch=no
  note "$1; switching back"
  point_include "$former"
  if [ "$applied" = yes ] && [ -n "$serving" ]; then
    apply_include "$serving" || fail 8 "the web server does not answer from $serving either ($said): look at it now"
  fi
  put_state switching ''
  [ "$started" = no ] || quit_master "$id" 5 || true
  fail 7 "${serving:-nothing} serves, as before"
}

remember_switch() {
  set -- active "$id" returned-from "${1:-}" "keep $id" '' switching ''
  if [ -z "$serving" ] || [ "$serving" = "$id" ]; then
    put_state "$@"
    return 0
  fi
  set -- "$@" previous "$serving"
  if [ -z "$(pid_of "$serving")" ]; then
    put_state "$@"
  else
    put_state "$@" "keep $serving" $(($(date +%s) + keep_minutes * 60))
    say "the php-fpm of $serving stays for $keep_minutes minutes"
    retire_later
  fi
}

# check_runnable: everything that can be found out before anything is changed.
check_runnable() {
  check_allowed
  pid=$(pid_of "$id")
  if [ -n "$pid" ] && render "$work/php-fpm.conf" && cmp -s "$work/php-fpm.conf" "$store/$id.php-fpm.conf"; then
    # It runs: it has its libraries, and the way back must not need space.
    return 0
  fi
  check_libraries
  check_room
  render "$work/php-fpm.conf"
  [ "$web_server" = apache-mod-php ] || check_configuration "$work/php-fpm.conf"
  check_extensions
  say "$id has its libraries, extensions and a good configuration"
}

# switch_tree [RETURNED-FROM]: to id.
switch_tree() {
  check_id "$id"
  tree=$trees/$id
  started=no
  serving=$(included)
  check_runnable
  if [ "$dry" = yes ]; then
    say "would switch $include from ${serving:-nothing} to $id"
    exit 0
  fi
  write_check_script
  if [ "$web_server" = apache-mod-php ]; then
    write_apache_ini
  else
    start_master
    if ! warm_up; then
      [ "$started" = no ] || quit_master "$id" 5 || true
      refuse 'it does not answer'
    fi
  fi
  if [ "$serving" = "$id" ] && [ "$(state_of active)" = "$id" ] && [ -z "$(state_of switching)" ] && answers_from "$id"; then
    say "$id serves already"
    exit 0
  fi
  confirmed=$(state_of active)
  [ "$serving" != "$id" ] || [ -z "$confirmed" ] || serving=$confirmed
  switch_to
  remember_switch "$@"
  say "$id serves"
}

need_for_activation() {
  need_programs awk cmp comm cut date df env find flock getconf ln mv sed sha256sum sync tail timeout
  choose_commands
}

activate() {
  set -- $words
  [ "$#" -eq 1 ] || fail 2 'name one tree to activate; see --help'
  id=$1
  check_id "$id"
  need_for_activation
  take_lock
  switch_tree
}

rollback() {
  [ -z "$words" ] || fail 2 'rollback takes no tree: it goes back to the one before; activate takes one'
  need_for_activation
  take_lock
  stopped=$(state_of switching)
  if [ -n "$stopped" ]; then
    id=$(state_of active)
    [ -n "$id" ] || fail 3 "the first activation, of $stopped, was stopped half way; there is none to go back to: activate it again"
    say "the activation of $stopped was stopped half way"
    switch_tree
    return 0
  fi
  returned=$(state_of returned-from)
  id=$(state_of previous)
  if [ -n "$returned" ]; then
    say "$(state_of active) serves: this node has gone back from $returned already. To use that, activate it"
    exit 0
  fi
  [ -n "$id" ] || fail 3 'there is no tree before the one that serves'
  switch_tree "$(state_of active)"
}
