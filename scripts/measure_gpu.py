#!/usr/bin/env python3
"""Measures kernels of the GPU at hand and writes them as a table for `athena validate --against`.

    python3 scripts/measure_gpu.py --chip a100-sxm-80gb --out mine.csv
    torchrun --nproc-per-node 8 scripts/measure_gpu.py --chip a100-sxm-80gb --out mine.csv   # with all-reduce

Needs PyTorch with CUDA or ROCm. Each figure is the median of single kernels timed by device events behind a
busy queue; weights are rotated through buffers larger than the cache, so that they come from memory.
"""
import argparse
import csv
import os
import statistics

COLUMNS = ("id,level,chip,chips,tp,pp,dp,precision,op,m,n,k,heads,kv_heads,head_dim,causal,model,layers,hidden,ffn,"
           "gated,vocab,batch,input_len,output_len,microbatch,bytes,recompute,power_cap_w,stack,method,metric,value,"
           "source,quality,notes").split(",")
CACHE_BYTES = 512 << 20  # buffers in rotation together: above any cache


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", required=True, help="name of the chip in configs/chips")
    parser.add_argument("--out", required=True, help="table to write")
    parser.add_argument("--dtype", default="bf16", choices=["bf16", "fp16"])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="a tenth of the shapes")
    return parser.parse_args()


def time_kernel(torch, call, variants, repeats):
    """Median milliseconds of call(i), i rotating over `variants`."""
    for i in range(min(variants, 3)):
        call(i)
    torch.cuda.synchronize()
    times = []
    for i in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(200_000)  # the host runs ahead: no launch gap between the events
        begin.record()
        call(i % variants)
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def copies(size_bytes):
    return max(1, min(64, CACHE_BYTES // max(size_bytes, 1)))


def gemms(torch, args, dtype, add):
    shapes = [(m, n, k) for m in (1, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
              for n, k in ((4096, 4096), (11008, 4096), (4096, 11008), (8192, 8192), (28672, 8192))]
    for m, n, k in shapes[::10] if args.quick else shapes:
        count = copies(2 * n * k)
        a = torch.randn(m, k, device="cuda", dtype=dtype)
        b = [torch.randn(n, k, device="cuda", dtype=dtype) for _ in range(count)]
        value = time_kernel(torch, lambda i: torch.nn.functional.linear(a, b[i]), count, args.repeats)
        add(level="gemm", op="gemm", m=m, n=n, k=k, model="cold weights", value=value)


def rows(torch, args, dtype, add):
    functional = torch.nn.functional
    for m in (64, 512, 4096, 16384):
        for n in (4096, 8192):
            x = torch.randn(m, n, device="cuda", dtype=dtype)
            y = torch.randn(m, n, device="cuda", dtype=dtype)
            weight = torch.ones(n, device="cuda", dtype=dtype)
            calls = {"add": lambda i: x + y, "gelu": lambda i: functional.gelu(x, approximate="tanh"),
                     "softmax": lambda i: torch.softmax(x, -1),
                     "layernorm": lambda i: functional.layer_norm(x, (n,), weight, weight)}
            for op, call in calls.items():
                add(level="elementwise", op=op, m=m, n=n, stack="nccl-pytorch",
                    value=time_kernel(torch, call, 1, args.repeats))


def attentions(torch, args, dtype, add):
    attention = torch.nn.functional.scaled_dot_product_attention
    for length in (512, 1024, 2048, 4096, 8192):
        batch, heads, dim = max(1, 16384 // length), 16, 128
        q, k, v = (torch.randn(batch, heads, length, dim, device="cuda", dtype=dtype) for _ in range(3))
        for causal in (0, 1):
            value = time_kernel(torch, lambda i: attention(q, k, v, is_causal=bool(causal)), 1, args.repeats)
            add(level="attention", op="attention_fwd", heads=heads, kv_heads=heads, head_dim=dim, causal=causal,
                batch=batch, input_len=length, stack="flash-attention-2", value=value)
        one = q[:, :, :1].contiguous()
        value = time_kernel(torch, lambda i: attention(one, k, v), 1, args.repeats)
        add(level="attention", op="attention_decode", heads=heads, kv_heads=heads, head_dim=dim, causal=0,
            batch=batch, input_len=length, stack="flash-attention-2", value=value)


def all_reduces(torch, args, dtype, add, ranks):
    import torch.distributed as distributed
    for power in range(11, 29):
        x = torch.zeros((1 << power) // 2, device="cuda", dtype=dtype)
        value = time_kernel(torch, lambda i: distributed.all_reduce(x), 1, args.repeats)
        add(level="collective", op="all_reduce", chips=ranks, bytes=1 << power, stack="nccl-pytorch", value=value)


def main():
    args = parse_arguments()
    import torch
    if not torch.cuda.is_available():
        raise SystemExit("measure_gpu.py needs a GPU that PyTorch can use.")
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[args.dtype]
    table = []

    def add(**cells):
        row = dict.fromkeys(COLUMNS, "")
        row.update(id=f"measured{len(table):04d}", chip=args.chip, chips=1, tp=1, pp=1, dp=1, precision=args.dtype,
                   stack="pytorch-eager", method="kernel", metric="latency_ms", quality="A",
                   source=f"{torch.cuda.get_device_name()} PyTorch {torch.__version__}")
        row.update(cells)
        row["value"] = f"{cells['value']:.6g}"
        table.append(row)

    if rank == 0 or ranks == 1:
        for measure in (gemms, rows, attentions):
            measure(torch, args, dtype, add)
    if ranks > 1:
        torch.distributed.init_process_group("nccl")
        all_reduces(torch, args, dtype, add, ranks)
        torch.distributed.destroy_process_group()
    if rank == 0:
        with open(args.out, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
        print(f"{len(table)} figures in {args.out}; now: athena validate --against {args.out}")


if __name__ == "__main__":
    main()
