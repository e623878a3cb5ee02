/** What a shell sources; each asks `runbook __complete` as the command line stands. */
export const completionScripts: ReadonlyMap<string, string> = new Map([
  [
    'bash',
    String.raw`# bash completion of runbook: source <(runbook completion bash)
_runbook() {
  local line=${'$'}{COMP_LINE:0:COMP_POINT} current kept paths= value
  local -a words=() answer=()
  # By blanks alone: bash itself splits at "=" and ":" too.
  read -ra words <<<"$line"
  [[ $line == *[[:blank:]] ]] && words+=('')
  current=${'$'}{words[${'$'}{#words[@]}-1]}
  mapfile -t answer < <("${'$'}{1/#\~/$HOME}" __complete -- "${'$'}{words[@]:1}" 2>/dev/null)
  # What stands before the last character that bash splits at is not replaced.
  kept=
  if [[ $current == *[=:]* ]]; then
    local tail=$current
    [[ $COMP_WORDBREAKS == *=* ]] && tail=${'$'}{tail##*=}
    [[ $COMP_WORDBREAKS == *:* ]] && tail=${'$'}{tail##*:}
    kept=${'$'}{current:0:${'$'}{#current}-${'$'}{#tail}}
  fi
  COMPREPLY=()
  for value in "${'$'}{answer[@]}"; do
    case $value in
      :files) paths=-f ;;
      :folders) paths=-d ;;
      *)
        value=${'$'}{value%%$'\t'*}
        COMPREPLY+=("${'$'}{value#"$kept"}")
        ;;
    esac
  done
  if [[ -n $paths ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t answer < <(compgen "$paths" -- "${'$'}{current#"$kept"}")
    COMPREPLY+=("${'$'}{answer[@]}")
  fi
}
complete -F _runbook runbook
`,
  ],
  [
    'zsh',
    String.raw`#compdef runbook
# zsh completion of runbook: source <(runbook completion zsh), or as _runbook in a folder of $fpath
_runbook() {
  local line value paths=
  local -a values shown
  for line in "${'$'}{(@f)$("${'$'}{words[1]/#\~/$HOME}" __complete -- "${'$'}{(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) paths=files ;;
      :folders) paths=folders ;;
      *)
        value=${'$'}{line%%$'\t'*}
        values+=("$value")
        if [[ $line == *$'\t'* ]]; then shown+=("$value  -- ${'$'}{line#*$'\t'}"); else shown+=("$value"); fi
        ;;
    esac
  done
  (( $#values )) && compadd -l -d shown -- "$values[@]"
  # Behind an option's "=" only what follows it is a path.
  [[ -n $paths ]] && compset -P '--[a-z-]##='
  case $paths in
    files) _files ;;
    folders) _files -/ ;;
  esac
}
if [ "$funcstack[1]" = _runbook ]; then _runbook "$@"; else compdef _runbook runbook; fi
`,
  ],
  [
    'fish',
    String.raw`# fish completion of runbook: runbook completion fish | source
function __runbook_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l current $words[-1]
    set -l program (string replace -r '^~/' $HOME/ $words[1])
    for line in ($program __complete -- $words[2..] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (string replace -r -- '^--[a-z-]+=' '' $current)
            case :folders
                __fish_complete_directories (string replace -r -- '^--[a-z-]+=' '' $current)
            case '*'
                echo $line
        end
    end
end
complete -c runbook -f -a '(__runbook_complete)'
`,
  ],
]);
