
# What identifies the content of a release: names and content of its files, and targets of its links.
release_digest() {
  (
    cd "$1"
    {
      find . -type f -exec sha256sum {} +
      find . -type l -exec sh -c 'for link do printf "link %s  %s\n" "$(readlink "$link")" "$link"; done' sh {} +
    } | sort | sha256sum | cut -d' ' -f1
  )
}

# As before, unless something in there is newer than when it was read.
known_digest() {
  known=$store/releases/$1
  if [ ! -f "$known" ] || [ -n "$(find "$releases/$1" -cnewer "$known" | head -n 1)" ]; then
    mkdir -p "$store/releases"
    : > "$work/stamp"
    release_digest "$releases/$1" > "$known.new"
    touch -r "$work/stamp" "$known.new"
    mv -f "$known.new" "$known"
  fi
  cat "$known"
}

list_releases() {
  [ -n "$releases" ] || return 0
  need_programs cut find readlink sha256sum sort touch
  for place in "$releases"/[A-Za-z0-9]*; do
    [ -d "$place" ] && [ ! -L "$place" ] || continue
    name=${place##*/}
    case $name in *[!A-Za-z0-9._+@,=~%:-]*) continue ;; esac
    say "$name $(known_digest "$name")"
  done
}

# The release that the web server's include names.
release_active() {
  [ -n "$release_include" ] && [ -L "$release_include" ] || return 0
  target=$(readlink "$release_include")
  target=${target##*/}
  case $target in *.include) printf '%s\n' "${target%.include}" ;; esac
}

release_text() {
  if [ -n "$release_template" ]; then
    [ -f "$release_template" ] || fail 3 "there is no release-template $release_template"
    sed -e "s|@NAME@|$1|g" -e "s|@RELEASE@|$releases/$1|g" "$release_template"
    return 0
  fi
  printf '%s\n' '# The release that answers; rookery-step writes this.'
  case $web_server in
    nginx) printf '%s\n' "set \$rookery_release $releases/$1;" ;;
    apache*) printf '%s\n' "Define ROOKERY_RELEASE $releases/$1" ;;
    *) fail 3 "set release-template in $conf, or web-server in $base/etc/rookery/php.conf" ;;
  esac
}

choose_web_commands() {
  web_server=$(php_conf web-server)
  : "${test_command:=$(php_conf test-command)}" "${reload_command:=$(php_conf reload-command)}"
  case $web_server in
    nginx) : "${test_command:=nginx -t}" "${reload_command:=nginx -s reload}" ;;
    apache*) : "${test_command:=apachectl configtest}" "${reload_command:=apachectl graceful}" ;;
    *)
      [ -n "$test_command" ] && [ -n "$reload_command" ] ||
        fail 3 "set test-command and reload-command in $conf, or web-server in $base/etc/rookery/php.conf"
      ;;
  esac
  [ -n "$releases" ] && [ -n "$release_include" ] ||
    fail 3 "set releases and release-include in $conf: the folder of releases, and the link that the web server includes"
  [ -L "$release_include" ] || [ ! -e "$release_include" ] ||
    fail 3 "$release_include is there and is no link of rookery-step; move it away first"
}

point_release() {
  if [ -z "$1" ]; then
    rm -f "$release_include"
    return 0
  fi
  ln -s "$1" "$release_include.new.$$"
  mv -T "$release_include.new.$$" "$release_include"
}

# Makes what serves take the release that the include names. php-fpm begins anew, or its opcache would go on with what it has.
apply_release() {
  run_command "$reload_command" || return 1
  reload_php || return 1
  [ -z "$release_url" ] || answers "$release_url" "$1"
}

reload_php() {
  tree=$(php_active)
  [ -n "$tree" ] && [ -f "$base/run/php/$tree.pid" ] || return 0
  pid=$(cat "$base/run/php/$tree.pid")
  case $(readlink "/proc/$pid/exe" 2> /dev/null) in
    */"$tree"/sbin/php-fpm*) ;;
    *) return 0 ;;
  esac
  say "+ kill -USR2 $pid"
  kill -USR2 "$pid"
}

activate_release() {
  need_programs cut find ln mv readlink sha256sum sort sync
  choose_web_commands
  [ -d "$releases/$1" ] || fail 3 "there is no release $releases/$1"
  digest=$(release_digest "$releases/$1")
  [ "$digest" = "$2" ] || fail 5 "$releases/$1 has the digest $digest; the plan names $2"
  mkdir -p "$store/includes"
  release_text "$1" > "$work/include"
  write_record "$store/includes/$1.include" < "$work/include"
  former=
  [ ! -L "$release_include" ] || former=$(readlink "$release_include")
  before=$(release_active)
  point_release "$store/includes/$1.include"
  if ! run_command "$test_command"; then
    point_release "$former"
    fail 7 "the web server's configuration is not good with $1; ${before:-nothing} serves, as before"
  fi
  if is_web_running; then
    apply_release "$1" || release_back "$1"
  else
    say 'the web server does not run; it takes the release when it is started'
  fi
  printf '%s %s\n' "$1" "$2" | write_record "$store/release"
  say "$1 is the release of this node"
}

# Ends this program.
release_back() {
  warn "$1 does not answer${said:+: $said}; switching back"
  point_release "$former"
  if [ -n "$former" ]; then
    apply_release "$before" || fail 8 "$before does not answer either: look at it now"
  else
    run_command "$reload_command" || fail 8 'the web server cannot be reloaded: look at it now'
  fi
  fail 7 "${before:-nothing} serves, as before"
}
