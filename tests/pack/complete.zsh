# What zsh, used by a person, makes of a line and Tab: complete.zsh FOLDER LINE prints the choices, or the
# line once it is completed. FOLDER has the script _mdsctl.
zmodload zsh/zpty
zpty shell zsh -f -i
ask() {
    zpty -w shell "$1"
}
ask "PS1= PS2= RPS1= LISTMAX=1000; unsetopt prompt_sp prompt_cr beep; stty cols 200 rows 100 -echo"
ask "fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u"
# The function takes what there is to choose from, and prints it.
ask 'compadd() { local -a found; builtin compadd -O found "$@"; print -rl -- "choice:"${^found}; builtin compadd "$@" }'
ask 'tab() { zle complete-word; print -r -- "line:$BUFFER"; print -r -- "the end" }; zle -N tab; bindkey "^I" tab'
ask 'print -r -- rea""dy'
zpty -r -m shell seen '*ready*'
zpty -w -n shell "$2"$'\t'
zpty -r -m shell seen '*the end*'
print -r -- "$seen"
zpty -d shell
