#!/bin/sh
# LiteSVM in solders 0.29.0: the log of a failed transaction with an inner call has a line
# "Program ... failed: ..." for each program on the stack, the innermost first.
#
# Expected: the last such line, which is the last line of the log, names the program that failed.
# Seen: it names the program of the instruction, which only passed the error on. The first line names the
# one that failed, and the error's code belongs to it alone: read as the outer program's code, "0x1" means
# another thing.
#
# The instruction makes an associated token account that its payer cannot pay for: the associated token
# program calls the system program, and that one fails. Prints the lines. Exits with 1 if that has
# changed. Needs Python 3 and access to a package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet solders==0.29.0
"$folder/venv/bin/python" - <<'PYTHON'
import re
import sys

from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
FEE = 5_000
LEFT = 1_000_000  # of what is left after the fee: less than the rent of a token account

svm = LiteSVM()
payer, mint = Keypair(), Pubkey.new_unique()
svm.set_account(payer.pubkey(), Account(FEE + LEFT, b"", SYSTEM))
# A mint of the token program: no authority, no supply, 6 decimals, initialized.
svm.set_account(mint, Account(10**9, bytes(44) + b"\x06\x01" + bytes(36), TOKEN))
seeds = [bytes(payer.pubkey()), bytes(TOKEN), bytes(mint)]
address = Pubkey.find_program_address(seeds, ASSOCIATED)[0]
create = Instruction(
    ASSOCIATED,
    b"\x00",
    [
        AccountMeta(payer.pubkey(), is_signer=True, is_writable=True),
        AccountMeta(address, is_signer=False, is_writable=True),
        AccountMeta(payer.pubkey(), is_signer=False, is_writable=False),
        AccountMeta(mint, is_signer=False, is_writable=False),
        AccountMeta(SYSTEM, is_signer=False, is_writable=False),
        AccountMeta(TOKEN, is_signer=False, is_writable=False),
    ],
)
blockhash = svm.latest_blockhash()
message = Message.new_with_blockhash([create], payer.pubkey(), blockhash)
failed = svm.send_transaction(Transaction([payer], message, blockhash))
print(failed.err())
lines = [line for line in failed.meta().logs() if " failed: " in line]
print(*lines, sep="\n")
programs = [re.match(r"Program (\w+) failed: ", line).group(1) for line in lines]
sys.exit(0 if programs == [str(SYSTEM), str(ASSOCIATED)] else 1)
PYTHON
