# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for agentctl-locks(1).
#
# Commands, options and columns are what the program's own --help says, so they are always those of the installed
# version; lock ids, held directories and pids are those of the moment, asked of the service that the line names.

_agentctl_locks_options() # [COMMAND]: its options, "=" behind those that take a value
{
    agentctl-locks ${1:+"$1"} --help 2>/dev/null |
        sed -n -e 's/^  \(-., \)\{0,1\}\(--[^ =]*\)\(=\).*/\2\3/p' -e 's/^  \(-., \)\{0,1\}\(--[^ =]*\)  .*/\2/p'
}

_agentctl_locks_locks() # COLUMNS: of the locks that the service in where[@] has, nothing when it does not answer
{
    timeout 2 agentctl-locks list --no-legend --output="$1" "${where[@]}" 2>/dev/null
}

_agentctl_locks_directories() # PREFIX [HELD]: directories that are there, and those of locks
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(
        compgen -d -- "$1"
        [[ -z ${2-} ]] || _agentctl_locks_locks DIRECTORY | while IFS= read -r word; do
            [[ $word == "$1"* ]] && printf '%s\n' "$word"
        done | sort -u
    )
}

_agentctl_locks_words() # PREFIX WORD...
{
    local prefix=$1
    shift
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$prefix")
}

_agentctl_locks_value() # OPTION PREFIX: what an option's value may be; fails when OPTION takes none
{
    case $1 in
    --id) _agentctl_locks_words "$2" "$(_agentctl_locks_locks ID)" ;;
    --pid)
        case $command in
        release | list) _agentctl_locks_words "$2" "$(_agentctl_locks_locks PID)" ;;
        *) _agentctl_locks_words "$2" "$(cd /proc && printf '%s ' [0-9]*)" ;;
        esac
        ;;
    --directory | --under) _agentctl_locks_directories "$2" held ;;
    --kind) _agentctl_locks_words "$2" process manual ;;
    --uid) _agentctl_locks_words "$2" "$(_agentctl_locks_locks UID | sort -u)" ;;
    -o | --output)
        local chosen=
        [[ $2 == *,* ]] && chosen=${2%,*},
        _agentctl_locks_words "${2##*,}" "$(agentctl-locks "${command:-list}" --output=help 2>/dev/null |
            sed -n 's/^[* ] \([[:upper:]][[:upper:]]*\) .*/\1/p')"
        COMPREPLY=("${COMPREPLY[@]/#/$chosen}")
        compopt -o nospace 2>/dev/null
        ;;
    --address | --agent | --session | --reason | --ttl | --wait | -E | --conflict-exit-code) ;;
    *) return 1 ;;
    esac
}

_agentctl_locks_behind_dashes() # PREFIX: what "run" becomes, with completions of its own where there are any
{
    local i
    for ((i = 0; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -- ]] && break
    done
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset $((i + 1))
    elif declare -F _command_offset >/dev/null; then
        _command_offset $((i + 1))
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$1")
    fi
}

_agentctl_locks()
{
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' option='' word i words where=()
    COMPREPLY=()

    # bash cuts words at "=" and ":"; here they are whole.
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    for ((i = 1; i < ${#words[@]}; i++)); do
        word=${words[i]}
        case $word in
        --)
            # Unless an option is being written.
            if [[ $cur != -- || $i -lt $((${#words[@]} - 1)) ]]; then
                _agentctl_locks_behind_dashes "$cur"
                return
            fi
            ;;
        --system | --user | --address=*) where+=("$word") ;;
        --address)
            where+=("--address=${words[i + 1]-}")
            ((i++))
            ;;
        --id | --pid | --directory | --under | --kind | --uid | -o | --output | --agent | --session | --reason | --ttl | \
            -E | --conflict-exit-code) ((i++)) ;;
        -*) ;;
        *)
            # The word that is being written is no command yet.
            if [[ -z $command && ! ($i -eq $((${#words[@]} - 1)) && -n $cur) ]]; then
                command=$word
            fi
            ;;
        esac
    done

    if [[ $cur == = ]]; then
        option=$previous
        cur=
    elif [[ $previous == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $previous == -* && $previous != --wait ]]; then
        option=$previous
    fi
    [[ -n $option ]] && _agentctl_locks_value "$option" "$cur" && return

    if [[ $cur == -* ]]; then
        _agentctl_locks_words "$cur" "$(_agentctl_locks_options "${command:-list}")" \
            "$([[ -n $command ]] || echo --version)"
        [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        return
    fi
    case $command in
    '')
        _agentctl_locks_words "$cur" "$(agentctl-locks --help 2>/dev/null | sed -n 's/^  \([^ ][^ ]*\).*  .*/\1/p')"
        ;;
    explain) _agentctl_locks_words "$cur" "$(cd /proc && printf '%s ' [0-9]*)" ;;
    release | check | wait) _agentctl_locks_directories "$cur" held ;;
    run | acquire | claim | occupants) _agentctl_locks_directories "$cur" ;;
    import)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    esac
}

complete -F _agentctl_locks agentctl-locks
