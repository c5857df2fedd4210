
# One snapshot of the system before a merge, kept until it is dropped or gone back to.

need_lvm() {
  need_programs lvs lvcreate lvconvert lvremove
  [ -n "$lvm_volume" ] || fail 3 "set lvm-volume = GROUP/VOLUME in $conf"
  lvm_snapshot=$lvm_volume-before-rollout
}

# It fills up when more is changed than it was made for, and is worth nothing from then on: attribute 5 of lvs(8).
lvm_state() { lvs --noheadings -o lv_attr "$lvm_snapshot" 2> /dev/null | tr -d ' '; }

snapshot_lvm() {
  need_lvm
  [ -z "$(lvm_state)" ] || fail 3 "$lvm_snapshot is there already: drop it, or go back to it"
  case $lvm_size in *%*) set -- --extents ;; *) set -- --size ;; esac
  lvcreate --yes --snapshot --name "${lvm_snapshot#*/}" "$1" "$lvm_size" "$lvm_volume" || fail 6 "there is no room for $lvm_snapshot"
}

restore_snapshot_lvm() {
  need_lvm
  case $(lvm_state) in
    '') fail 3 "there is no snapshot $lvm_snapshot" ;;
    ????I*) fail 6 "$lvm_snapshot is full, and worth nothing" ;;
  esac
  lvconvert --yes --merge "$lvm_snapshot" || fail 6 "$lvm_volume cannot go back"
  say "$lvm_volume goes back; where it is in use, when the node is started anew"
}

drop_snapshot_lvm() {
  need_lvm
  [ -n "$(lvm_state)" ] || { say "there is no snapshot $lvm_snapshot"; return 0; }
  lvremove --yes "$lvm_snapshot" || fail 6 "$lvm_snapshot cannot be removed"
}

need_btrfs() {
  need_programs btrfs
  [ -n "$btrfs_subvolume" ] && [ -n "$btrfs_snapshots" ] ||
    fail 3 "set btrfs-subvolume and btrfs-snapshots in $conf: the subvolume of the system, and a folder of the same file system"
  mkdir -p "$btrfs_snapshots"
  btrfs_snapshot=$btrfs_snapshots/before-rollout
  btrfs_replaced=$btrfs_snapshots/replaced-by-rollout
}

snapshot_btrfs() {
  need_btrfs
  [ ! -e "$btrfs_snapshot" ] || fail 3 "$btrfs_snapshot is there already: drop it, or go back to it"
  [ ! -e "$btrfs_replaced" ] || btrfs subvolume delete "$btrfs_replaced" || fail 6 "$btrfs_replaced cannot be removed"
  btrfs subvolume snapshot "$btrfs_subvolume" "$btrfs_snapshot" || fail 6 "there is no snapshot of $btrfs_subvolume"
  sync
}

# The root of what is mounted cannot be moved: there the snapshot becomes what is mounted by default. Elsewhere, where all
# subvolumes can be seen, it takes the name.
restore_snapshot_btrfs() {
  need_btrfs
  [ -e "$btrfs_snapshot" ] || fail 3 "there is no snapshot $btrfs_snapshot"
  if [ "$btrfs_subvolume" = / ]; then
    btrfs subvolume set-default "$btrfs_snapshot" || fail 6 "$btrfs_snapshot cannot become the default"
  else
    mv -T "$btrfs_subvolume" "$btrfs_replaced" || fail 6 "$btrfs_subvolume cannot be moved away"
    mv -T "$btrfs_snapshot" "$btrfs_subvolume" || {
      mv -T "$btrfs_replaced" "$btrfs_subvolume"
      fail 6 "$btrfs_snapshot cannot take the place of $btrfs_subvolume"
    }
  fi
  sync
  say "$btrfs_subvolume is what it was; what is mounted changes when the node is started anew"
}

drop_snapshot_btrfs() {
  need_btrfs
  [ -e "$btrfs_snapshot" ] || { say "there is no snapshot $btrfs_snapshot"; return 0; }
  btrfs subvolume delete "$btrfs_snapshot" || fail 6 "$btrfs_snapshot cannot be removed"
}
