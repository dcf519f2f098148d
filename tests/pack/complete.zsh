# What zsh, used by a person, makes of a line and Tab. FOLDER has the script _mdsctl.
#   complete.zsh FOLDER choices LINE    prints what there is to choose from, as choice:WORD
#   complete.zsh FOLDER line LINE       prints the completed line, as line:LINE
zmodload zsh/zpty
zpty shell zsh -f -i
ask() {
    zpty -w shell "$1"
}
ask "PS1= PS2= RPS1= LISTMAX=1000; unsetopt prompt_sp prompt_cr beep; stty cols 200 rows 100 -echo"
ask "fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u"
# Prints what is offered; it may be offered twice by that.
[[ $2 != choices ]] || ask 'compadd() { local -a found; builtin compadd -O found "$@"; print -rl -- "choice:"${^found}; builtin compadd "$@" }'
ask 'tab() { zle complete-word; print -r -- "line:$BUFFER"; print -r -- "the end" }; zle -N tab; bindkey "^I" tab'
ask 'print -r -- rea""dy'
zpty -r -m shell seen '*ready*'
zpty -w -n shell "$3"$'\t'
zpty -r -m shell seen '*the end*'
print -r -- "$seen"
zpty -d shell
