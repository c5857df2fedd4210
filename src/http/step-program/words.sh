
# Words that need no quoting on their way: what is not plain is \0OOO, which printf understands.
encode_words() {
  for word in "$@"; do
    printf '=%s\n' "$(printf '%s' "$word" | od -An -v -to1 | awk '
      BEGIN { plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+@,=~%:-" }
      {
        for (i = 1; i <= NF; i++) {
          code = substr($i, 1, 1) * 64 + substr($i, 2, 1) * 8 + substr($i, 3, 1)
          one = code < 128 ? sprintf("%c", code) : ""
          printf "%s", (one != "" && index(plain, one)) ? one : "\\0" $i
        }
      }')"
  done
}

decode_word() {
  case $1 in *[!A-Za-z0-9._/+@,=~%:\\-]*) fail 2 "a word has characters that are not plain: \"$1\"" ;; esac
  decoded=$(printf '%bx' "$1")
  decoded=${decoded%x}
}

# Reads words, and runs them as a command of this program. What it says stands between two lines, whatever is said around it.
words() {
  if [ "$#" -gt 0 ]; then
    case $1 in *[!A-Za-z0-9+/=]*) fail 2 'these are no words in base64' ;; esac
    printf '%s' "$1" | base64 -d > "$work/words" 2> /dev/null || fail 2 'these are no words in base64'
  else
    head -c 65536 > "$work/words"
  fi
  ended=no
  set --
  {
    IFS= read -r line || line=
    [ "$line" = 'rookery-step 1' ] || fail 2 'this is not what rookery-step of this version reads'
    while IFS= read -r line; do
      case $line in
        .) ended=yes; break ;;
        =*) decode_word "${line#=}"; set -- "$@" "$decoded" ;;
        *) fail 2 'this is not what rookery-step of this version reads' ;;
      esac
    done
  } < "$work/words"
  [ "$ended" = yes ] || fail 2 'the words end early'
  case ${1:-} in
    start | state | look | health | releases) ;;
    *) fail 2 "\"${1:-}\" is not among the commands that words may be" ;;
  esac
  say '>>> rookery-step'
  status=0
  sh "$self" "$@" 2>&1 || status=$?
  say "<<< rookery-step $status"
}
