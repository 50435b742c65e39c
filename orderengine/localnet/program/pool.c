/* The pool of the localnet: a constant product swap with a trade fee, exact in and exact out.
 *
 * README.md in this folder gives the accounts, the layout of the pool and how the binary is built.
 * The formulas are those of raydium-io/raydium-cp-swap with the trade fee alone, which stays in the
 * pool: orderengine/amm/cpmm.py computes the same, and a test compares them.
 *
 * Everything is inlined, and there is no static data: the linker writes one section. BPF divides
 * 64 bits by 64 bits only, so products of two amounts are divided bit by bit. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define IN static inline __attribute__((always_inline))
#define LOAD(p) (*(const u64 *)(p))

enum {
  SLIPPAGE = 6005,       /* the limit of the instruction is exceeded */
  NO_OUTPUT = 6006,      /* nothing would come out, or the pool cannot pay */
  NOT_OPEN = 6007,       /* before the open time, or paused */
  WRONG_ACCOUNTS = 6008, /* accounts or data that do not belong together */
};

enum { USER, SOURCE, DESTINATION, POOL, VAULT_IN, VAULT_OUT, AUTHORITY, MINT_IN, MINT_OUT,
       PROGRAM_IN, PROGRAM_OUT, ACCOUNTS };

#define RATES 1000000ULL
#define POOL_SIZE 192
#define MAGIC 0x31306c6f6f70656fULL /* "oepool01" in memory */
#define RESIZE 10240 /* bytes that the loader leaves after each account's data */

typedef struct {
  const u8 *key; u64 *lamports; u64 size; u8 *data; const u8 *owner; u64 rent_epoch;
  u8 is_signer, is_writable, is_executable;
} Account;
typedef struct { const u8 *key; u8 is_writable, is_signer; } Meta;
typedef struct { const u8 *program; Meta *metas; u64 count; u8 *data; u64 size; } Instruction;
typedef struct { const u8 *bytes; u64 size; } Seed;
typedef struct { const Seed *seeds; u64 count; } Signer;

extern u64 sol_invoke_signed_c(const Instruction *, const Account *, int, const Signer *, int);
extern u64 sol_get_clock_sysvar(u64 *);

IN int same(const u8 *a, const u8 *b) {
  return LOAD(a) == LOAD(b) && LOAD(a + 8) == LOAD(b + 8) && LOAD(a + 16) == LOAD(b + 16) &&
         LOAD(a + 24) == LOAD(b + 24);
}

/* a · b / c; `up` rounds up. Returns 0 and leaves `result` where it does not fit into 64 bits. */
IN int scaled(u64 a, u64 b, u64 c, int up, u64 *result) {
  u64 a_low = (u32)a, a_high = a >> 32, b_low = (u32)b, b_high = b >> 32;
  u64 middle = a_high * b_low + (a_low * b_low >> 32);
  __asm__("" : "+r"(middle)); /* else the compiler sees a 128-bit product, and calls for one */
  u64 other = a_low * b_high + (u32)middle;
  u64 high = a_high * b_high + (middle >> 32) + (other >> 32), low = a * b, quotient = 0;
  if (high >= c) return 0;
#pragma clang loop unroll(disable)
  for (int bit = 0; bit < 64; bit++) {
    u64 carry = high >> 63;
    high = high << 1 | low >> 63;
    low <<= 1;
    quotient <<= 1;
    if (carry || high >= c) { high -= c; quotient |= 1; }
  }
  if (up && high) {
    quotient++;
    if (!quotient) return 0;
  }
  *result = quotient;
  return 1;
}

/* The amounts of a swap by CPMM's formulas; x and y are the reserves of input and output. */
IN u64 priced(u8 wants_output, u64 amount, u64 x, u64 y, u64 rate, u64 *paid, u64 *received) {
  if (wants_output) {
    u64 net;
    if (!amount || amount >= y) return NO_OUTPUT;
    if (!scaled(x, amount, y - amount, 1, &net)) return NO_OUTPUT;
    if (!scaled(net, RATES, RATES - rate, 1, paid)) return NO_OUTPUT;
    *received = amount;
    return 0;
  }
  u64 fee;
  if (!scaled(amount, rate, RATES, 1, &fee)) return NO_OUTPUT;
  u64 net = amount - fee;
  if (x + net < x || !(x + net)) return NO_OUTPUT;
  if (!scaled(net, y, x + net, 0, received) || !*received) return NO_OUTPUT;
  *paid = amount;
  return 0;
}

/* TransferChecked of the token program. */
IN u64 transfer(const Account *all, int from, int mint, int to, int authority, int program,
                u64 amount, const Signer *signers, int signer_count) {
  Meta metas[4] = {{all[from].key, 1, 0}, {all[mint].key, 0, 0}, {all[to].key, 1, 0},
                   {all[authority].key, 0, 1}};
  u8 data[10];
  data[0] = 12;
  *(u64 *)(data + 1) = amount;
  data[9] = all[mint].data[44];
  Instruction instruction = {all[program].key, metas, 4, data, sizeof data};
  return sol_invoke_signed_c(&instruction, all, ACCOUNTS, signers, signer_count);
}

/* Reads the accounts as the loader serializes them; an account named again is a copy. */
IN const u8 *read_accounts(const u8 *at, Account *all) {
#pragma clang loop unroll(disable)
  for (int i = 0; i < ACCOUNTS; i++) {
    if (*at != 0xff) {
      if (*at >= i) return 0;
      all[i] = all[*at];
      at += 8;
      continue;
    }
    all[i].is_signer = at[1];
    all[i].is_writable = at[2];
    all[i].is_executable = at[3];
    all[i].key = at + 8;
    all[i].owner = at + 40;
    all[i].lamports = (u64 *)(at + 72);
    all[i].size = LOAD(at + 80);
    all[i].data = (u8 *)(at + 88);
    at = (const u8 *)(((u64)at + 88 + all[i].size + RESIZE + 7) & ~7ULL);
    all[i].rent_epoch = LOAD(at);
    at += 8;
  }
  return at;
}

/* Whether accounts are those of the pool, in the order of this direction. */
IN int belong(const Account *all, int base_in) {
  const u8 *pool = all[POOL].data;
  const u8 *mint_in = pool + (base_in ? 16 : 48), *mint_out = pool + (base_in ? 48 : 16);
  const u8 *vault_in = pool + (base_in ? 80 : 112), *vault_out = pool + (base_in ? 112 : 80);
  return same(all[MINT_IN].key, mint_in) && same(all[MINT_OUT].key, mint_out) &&
         same(all[VAULT_IN].key, vault_in) && same(all[VAULT_OUT].key, vault_out) &&
         /* A foreign program must never be called with the pool's signature. */
         same(all[PROGRAM_IN].key, all[VAULT_IN].owner) &&
         same(all[PROGRAM_OUT].key, all[VAULT_OUT].owner) && all[VAULT_IN].size >= 165 &&
         all[VAULT_OUT].size >= 165 && all[MINT_IN].size >= 82 && all[MINT_OUT].size >= 82;
}

u64 entrypoint(const u8 *input) {
  Account all[ACCOUNTS];
  if (LOAD(input) != ACCOUNTS) return WRONG_ACCOUNTS;
  const u8 *at = read_accounts(input + 8, all);
  if (!at || LOAD(at) != 17) return WRONG_ACCOUNTS;
  const u8 *data = at + 8, *program = data + 17;
  u8 wants_output = data[0];
  u64 amount = LOAD(data + 1), limit = LOAD(data + 9);
  const u8 *pool = all[POOL].data;
  if (wants_output > 1 || !same(all[POOL].owner, program) || all[POOL].size != POOL_SIZE ||
      LOAD(pool) != MAGIC || LOAD(pool + 144) >= RATES)
    return WRONG_ACCOUNTS;
  if (!belong(all, same(all[MINT_IN].key, pool + 16))) return WRONG_ACCOUNTS;
  u64 clock[5];
  u64 failure = sol_get_clock_sysvar(clock);
  if (failure) return failure;
  if (pool[9] != 1 || (i64)clock[4] < (i64)LOAD(pool + 152)) return NOT_OPEN;
  u64 paid, received;
  failure = priced(wants_output, amount, LOAD(all[VAULT_IN].data + 64),
                   LOAD(all[VAULT_OUT].data + 64), LOAD(pool + 144), &paid, &received);
  if (failure) return failure;
  if (wants_output ? paid > limit : received < limit) return SLIPPAGE;
  failure = transfer(all, SOURCE, MINT_IN, VAULT_IN, USER, PROGRAM_IN, paid, 0, 0);
  if (failure) return failure;
  u8 authority[9];
  *(u64 *)authority = 0x7469726f68747561ULL; /* "authorit" */
  authority[8] = 'y';
  Seed seeds[3] = {{authority, 9}, {all[POOL].key, 32}, {pool + 8, 1}};
  Signer signer = {seeds, 3};
  return transfer(all, VAULT_OUT, MINT_OUT, DESTINATION, AUTHORITY, PROGRAM_OUT, received, &signer, 1);
}
