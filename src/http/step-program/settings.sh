
step_setting() {
  case $1 in
    web-services) web_services=$2 ;;
    web-processes) web_processes=$2 ;;
    stop-command) stop_command=$2 ;;
    start-command) start_command=$2 ;;
    running-command) running_command=$2 ;;
    restart-command) restart_command=$2 ;;
    reboot-command) reboot_command=$2 ;;
    boot-id-file) boot_id_file=$2 ;;
    emerge-command) emerge_command=$2 ;;
    emerge-options) emerge_options=$2 ;;
    library-path) library_path=$2 ;;
    lvm-volume) lvm_volume=$2 ;;
    lvm-size) lvm_size=$2 ;;
    btrfs-subvolume) btrfs_subvolume=$2 ;;
    btrfs-snapshots) btrfs_snapshots=$2 ;;
    health-file) health_file=$2 ;;
    releases) releases=$2 ;;
    release-include) release_include=$2 ;;
    release-template) release_template=$2 ;;
    release-url) release_url=$2 ;;
    test-command) test_command=$2 ;;
    reload-command) reload_command=$2 ;;
    check-seconds) check_seconds=$2 ;;
    check-timeout) limit=$2 ;;
    result-days) result_days=$2 ;;
    *) fail 3 "$conf has a setting $1, which there is not" ;;
  esac
}

# Names of services and of processes: words, apart by spaces.
check_names() {
  case $2 in *[!A-Za-z0-9._@+\ -]*) fail 3 "$1 has to be names, apart by spaces, not \"$2\"" ;; esac
}

read_settings() {
  web_services=
  web_processes='nginx apache2 httpd php-fpm'
  stop_command=
  start_command=
  running_command=
  restart_command=
  reboot_command=reboot
  boot_id_file=
  emerge_command=emerge
  emerge_options=
  library_path=
  lvm_volume=
  lvm_size=10%ORIGIN
  btrfs_subvolume=
  btrfs_snapshots=
  health_file=$store/health
  releases=
  release_include=
  release_template=
  release_url=
  test_command=
  reload_command=
  check_seconds=10
  limit=60
  result_days=30
  conf=$base/etc/rookery/step.conf
  if [ -f "$conf" ]; then
    check_owned "$conf"
    read_file "$conf" step_setting
  fi
  check_names web-services "$web_services"
  check_names web-processes "$web_processes"
  check_number check-seconds "$check_seconds"
  check_number check-timeout "$limit"
  check_number result-days "$result_days"
  for place in "$boot_id_file" "$health_file" "$releases" "$release_include" "$release_template" \
    "$btrfs_subvolume" "$btrfs_snapshots"; do
    check_path "$conf:" "$place"
  done
  case $lvm_volume in
    '' | [A-Za-z0-9]*/[A-Za-z0-9]*) ;;
    *) fail 3 "lvm-volume has to be GROUP/VOLUME, not \"$lvm_volume\"" ;;
  esac
}

# php_conf KEY: of the settings of rookery-php.
php_conf() {
  [ -f "$base/etc/rookery/php.conf" ] || return 0
  sed -n "s/^$1 *= *//p" "$base/etc/rookery/php.conf" | tail -n 1
}

# Which boot this is: of the kernel, and of the first process, which alone is another one when a container starts anew.
boot_id() {
  if [ -n "$boot_id_file" ]; then
    [ -f "$boot_id_file" ] || fail 3 "there is no boot-id-file $boot_id_file"
    head -n 1 "$boot_id_file" | tr -cd 'A-Za-z0-9._-'
    printf '\n'
    return 0
  fi
  printf '%s.%s\n' "$(cat /proc/sys/kernel/random/boot_id)" "$(start_of 1)"
}

# start_of PID: ticks after the boot when it began; nothing when there is none.
start_of() {
  [ -r "/proc/$1/stat" ] || return 0
  sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d' ' -f20
}
