# The pager leaves short output on the screen.
export LESS=-FRX SYSTEMD_LESS=FRXMK
