
# fetch URL FILE
fetch() {
  case $1 in
    file://*) cp "${1#file://}" "$2" 2> "$work/log" ;;
    *)
      if command -v wget > /dev/null 2>&1; then
        wget -q --max-redirect=0 --tries=2 --timeout=30 -O "$2" "$1" 2> "$work/log"
      elif command -v curl > /dev/null 2>&1; then
        curl -fsS --max-time 60 -o "$2" "$1" 2> "$work/log"
      else
        fail 3 'neither wget nor curl is installed; nothing was changed'
      fi
      ;;
  esac
}
