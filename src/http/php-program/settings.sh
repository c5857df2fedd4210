
own_setting() {
  case $1 in
    profile) [ -n "$profile_wanted" ] || profile_wanted=$2 ;;
    channel) own_channel=$2 ;;
    source) own_source=$2 ;;
    web-server) web_server=$2 ;;
    include) include=$2 ;;
    include-template) include_template=$2 ;;
    test-command) test_command=$2 ;;
    reload-command) reload_command=$2 ;;
    stop-command) stop_command=$2 ;;
    start-command) start_command=$2 ;;
    check-url) [ -n "$check_url" ] || check_url=$2 ;;
    check-seconds) check_seconds=$2 ;;
    keep-minutes) [ -n "$keep_minutes" ] || keep_minutes=$2 ;;
    bwlimit) [ -n "$bwlimit" ] || bwlimit=$2 ;;
    extra-extensions) extra_extensions=$2 ;;
    library-path) library_path=$2 ;;
    min-free-mb) min_free_mb=$2 ;;
    *) fail 3 "$conf has a setting $1, which there is not" ;;
  esac
}

# What is set here runs as root: nobody else may write it.
read_settings() {
  own_channel=
  own_source=
  web_server=
  include=
  include_template=
  test_command=
  reload_command=
  stop_command=
  start_command=
  check_seconds=10
  extra_extensions=
  library_path=
  min_free_mb=16
  conf=$base/etc/rookery/php.conf
  if [ -f "$conf" ]; then
    check_owned "$conf"
    read_file "$conf" own_setting
  fi
  [ -n "$keep_minutes" ] || keep_minutes=30
  [ -n "$check_url" ] || check_url=http://127.0.0.1/rookery-php-check
  check_number keep-minutes "$keep_minutes"
  check_number check-seconds "$check_seconds"
  check_number min-free-mb "$min_free_mb"
  [ -z "$bwlimit" ] || check_number bwlimit "$bwlimit"
}

farm_setting() {
  case $1 in
    profile) farm_profile=$2 ;;
    channel) farm_channel=$2 ;;
    gnupg) farm_gnupg=$2 ;;
    php) farm_source=$2 ;;
  esac
}

# The farm that trees come from, of what the setup scripts have left here.
choose_farm() {
  profile=
  for file in "$base"/etc/rookery/node.d/*.conf; do
    [ -f "$file" ] || continue
    farm_profile=
    farm_channel=
    farm_gnupg=/etc/portage/gnupg
    farm_source=
    read_file "$file" farm_setting
    [ -z "$own_source" ] || farm_source=$own_source
    [ -n "$farm_source" ] || continue
    [ -z "$profile_wanted" ] || [ "$profile_wanted" = "$farm_profile" ] || continue
    [ -z "$profile" ] || fail 2 "this node is a client of $profile and of $farm_profile: name one with --profile"
    profile=$farm_profile
    channel=${own_channel:-$farm_channel}
    source=${farm_source%/}
    home=$root$farm_gnupg
  done
  [ -n "$profile" ] ||
    fail 3 "this node has no farm that serves PHP trees${profile_wanted:+ of $profile_wanted}: no file in $base/etc/rookery/node.d says \"php = rsync://HOST/php\"; run the setup script of a channel again"
  check_word profile "$profile"
  case $source in
    rsync://*[!A-Za-z0-9._/:@%~+-]*) fail 3 "\"$source\" is not an address" ;;
    rsync://?*) ;;
    *) fail 3 "\"$source\" is not an address that begins with rsync://" ;;
  esac
  record=$base/var/lib/rookery-client/$profile
  [ -f "$record" ] && [ -d "$home" ] || fail 3 "the setup script of $profile has left no keys here; run it again"
}

check_id() {
  check_word tree "$1"
  case $1 in [0-9]*-*-r[1-9]*) ;; *) fail 2 "\"$1\" is not the id of a tree, such as 8.2.30-web-r1" ;; esac
}
