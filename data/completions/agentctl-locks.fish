# SPDX-License-Identifier: MIT
# fish completion for agentctl-locks(1).
#
# Commands, options and columns are what the program's own --help says, so they are always those of the installed
# version and in the user's language; lock ids, held directories and pids are those of the moment.

function __agentctl_locks_command -d 'the command on the line, or nothing'
    set -l words (commandline -opc)
    set -e words[1]
    set -l skip 0
    for word in $words
        if test $skip -eq 1
            set skip 0
            continue
        end
        switch $word
            case --address --id --pid --directory --under --kind --uid -o --output --agent --session --reason --ttl -E \
                --conflict-exit-code
                set skip 1
            case '-*'
            case '*'
                echo $word
                return 0
        end
    end
    return 1
end

function __agentctl_locks_locks -a columns -d 'of the locks that the service on this line has'
    set -l words (commandline -opc)
    set -l where (string match -r -- '^--(?:system|user|address=.*)$' $words)
    set -l at (contains -i -- --address $words); and set -a where --address=$words[(math $at + 1)]
    timeout 2 agentctl-locks list --no-legend --output=$columns $where 2>/dev/null
end

function __agentctl_locks_commands
    agentctl-locks --help 2>/dev/null | string replace -rf '^  ([a-z-]+)(?: .*)?  +(\S.*)$' '$1\t$2'
end

function __agentctl_locks_options -d 'those of the command on the line'
    set -l command (__agentctl_locks_command)
    set -l shown $command
    test -n "$shown"; or set shown list
    agentctl-locks $shown --help 2>/dev/null | string replace -rf '^  (?:(-.), )?(--[a-z-]+=?)(?:\S*)  +(.*)$' '$2\t$3'
    test -n "$command"; or echo --version
end

function __agentctl_locks_ids
    __agentctl_locks_locks ID,DIRECTORY | string replace -rf '^\s*(\d+)\s+(.*)$' '$1\t$2'
end

function __agentctl_locks_pids
    switch "$(__agentctl_locks_command)"
        case release list
            __agentctl_locks_locks PID,DIRECTORY | string replace -rf '^\s*(\d+)\s+(.*)$' '$1\t$2'
        case '*'
            __fish_complete_pids
    end
end

function __agentctl_locks_columns
    set -l command (__agentctl_locks_command)
    test -n "$command"; or set command list
    agentctl-locks $command --output=help 2>/dev/null | string replace -rf '^[* ] ([A-Z]+) +(.*)$' '$1\t$2'
end

function __agentctl_locks_arguments
    switch "$(__agentctl_locks_command)"
        case ''
            __agentctl_locks_commands
        case explain
            __fish_complete_pids
        case release check wait
            __agentctl_locks_locks DIRECTORY | sort -u
            __fish_complete_directories
        case run acquire claim occupants
            __fish_complete_directories
        case import
            __fish_complete_path
    end
end

function __agentctl_locks_value -d 'the option whose value is being written, or nothing'
    # A value follows its option after "=" or as a word of its own.
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    if string match -qr -- '^--[a-z-]+=' $current
        string replace -r '=.*' '' -- $current
    else
        string match -r -- '^--(?:id|pid|directory|under|kind|uid|output)$|^-o$' $words[-1]
    end
end

# One source for all words, since which ones fit depends on the command: fish has no options that belong to one.
function __agentctl_locks_complete
    set -l option (__agentctl_locks_value)
    set -l values
    switch "$option"
        case ''
            if string match -q -- '-*' (commandline -ct)
                __agentctl_locks_options
            else
                __agentctl_locks_arguments
            end
            return
        case --id
            set values (__agentctl_locks_ids)
        case --pid
            set values (__agentctl_locks_pids)
        case --directory --under
            set values (__agentctl_locks_locks DIRECTORY | sort -u)
        case --kind
            set values process manual
        case --uid
            set values (__agentctl_locks_locks UID | sort -u)
        case --output -o
            set values (__agentctl_locks_columns)
    end
    # Behind "=" the whole word is to be given.
    if string match -q -- '--*=*' (commandline -ct)
        set values $option=$values
    end
    test (count $values) -gt 0; and printf '%s\n' $values
end

function __agentctl_locks_runs -d 'whether the line is behind "--"'
    contains -- -- (commandline -opc)
end

complete -c agentctl-locks -f
complete -c agentctl-locks -n 'not __agentctl_locks_runs' -a '(__agentctl_locks_complete)'
complete -c agentctl-locks -n __agentctl_locks_runs -x -a '(__fish_complete_subcommand --fcs-skip=(contains -i -- -- (commandline -opc)))'
