# A prompt that says which node this is, and a pager that leaves short output on the screen.
export LESS=-FRX SYSTEMD_LESS=FRXMK
