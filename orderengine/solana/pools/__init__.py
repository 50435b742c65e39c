"""The programs of the pools: a module each, with the layouts of its accounts and its instructions.

pool.py       what all have in common     registry.py   which program owns a pool
cpmm.py       Raydium CPMM                amm_v4.py     Raydium AMM v4
dlmm.py       Meteora DLMM                localnet.py   the pools of the embedded localnet
"""
