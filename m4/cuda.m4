# SPDX-License-Identifier: Apache-2.0
# DSP_CHECK_CUDA: whether dspsim-cuda can be built. Sets NVCC, NVCCFLAGS,
# CUDA_CPPFLAGS, CUDA_LIBS and the conditional HAVE_CUDA. Without --with-cuda
# what is not there is passed over; with it, it is an error. Code is for compute
# capability 9.0; GPUs from 8.0 on compile theirs when they load it.

# _DSP_CUDA_DIR(VARIABLE, FILE, DIRS): the first of DIRS that holds FILE.
AC_DEFUN([_DSP_CUDA_DIR],
  [$1=
   for dsp_dir in $3; do
     AS_IF([test -z "$$1" && test -e "$dsp_dir/$2"], [$1=$dsp_dir])
   done])

AC_DEFUN([DSP_CHECK_CUDA],
  [AC_ARG_WITH([cuda],
     [AS_HELP_STRING([--with-cuda[[=DIR]]],
        [validate on GPUs by dspsim-cuda (default: if nvcc is found)])],
     [], [with_cuda=auto])
   AC_ARG_WITH([nccl],
     [AS_HELP_STRING([--with-nccl[[=DIR]]],
        [where NCCL is (default: where CUDA is)])],
     [], [with_nccl=auto])
   AC_ARG_VAR([NVCC], [compiler of CUDA])
   AC_ARG_VAR([NVCCFLAGS], [its flags])
   cuda_missing=
   AS_CASE([$with_cuda],
     [no], [cuda_missing='not wanted'],
     [auto|yes],
       [AC_PATH_PROG([NVCC], [nvcc], [], [$PATH:/usr/local/cuda/bin])
        cuda_dir=${NVCC%/bin/nvcc}],
     [cuda_dir=$with_cuda
      : "${NVCC=$cuda_dir/bin/nvcc}"])
   AS_CASE([$with_nccl],
     [no], [cuda_missing='not wanted'],
     [auto|yes], [nccl_dirs="$cuda_dir /usr /usr/local"],
     [nccl_dirs=$with_nccl])
   AS_IF([test -z "$cuda_missing" && ! test -x "$NVCC"],
     [cuda_missing='no nvcc'])
   AS_IF([test -z "$cuda_missing"],
     [_DSP_CUDA_DIR([cuda_lib], [libcublas.so],
        ["$cuda_dir/lib64" "$cuda_dir/lib" /usr/lib/x86_64-linux-gnu])
      _DSP_CUDA_DIR([nccl_include], [nccl.h],
        [$(for d in $nccl_dirs; do echo "$d/include"; done)])
      _DSP_CUDA_DIR([nccl_lib], [libnccl.so.2],
        [$(for d in $nccl_dirs; do
             echo "$d/lib64 $d/lib $d/lib/x86_64-linux-gnu"
           done)])
      AS_IF([test -z "$cuda_lib"], [cuda_missing='no cuBLAS'],
            [test -z "$nccl_include"], [cuda_missing='no nccl.h'],
            [test -z "$nccl_lib"], [cuda_missing='no libnccl.so.2'])])
   AS_IF([test -z "$cuda_missing"],
     [CUDA_CPPFLAGS="-isystem $cuda_dir/include -isystem $nccl_include"
      CUDA_LIBS="-L$cuda_lib -Wl,-rpath,$cuda_lib -lcudart_static -lcublas"
      CUDA_LIBS="$CUDA_LIBS -Wl,-rpath,$nccl_lib $nccl_lib/libnccl.so.2"
      CUDA_LIBS="$CUDA_LIBS -lstdc++ -ldl -lrt -lpthread"
      _DSP_TRY_CUDA])
   AC_SUBST([CUDA_CPPFLAGS])
   AC_SUBST([CUDA_LIBS])
   : "${NVCCFLAGS=-O2 -gencode=arch=compute_90,code=sm_90 \
-gencode=arch=compute_80,code=compute_80}"
   AM_CONDITIONAL([HAVE_CUDA], [test -z "$cuda_missing"])
   AC_MSG_CHECKING([for CUDA and NCCL])
   AS_IF([test -z "$cuda_missing"], [AC_MSG_RESULT([yes])],
         [AC_MSG_RESULT([no ($cuda_missing)])])
   AS_IF([test -n "$cuda_missing" && test "$with_cuda" != auto &&
          test "$with_cuda" != no],
     [AC_MSG_ERROR([--with-cuda: $cuda_missing])])])

# What is found must also link.
AC_DEFUN([_DSP_TRY_CUDA],
  [dsp_cppflags=$CPPFLAGS dsp_libs=$LIBS
   CPPFLAGS="$CPPFLAGS $CUDA_CPPFLAGS" LIBS="$CUDA_LIBS $LIBS"
   AC_LINK_IFELSE(
     [AC_LANG_PROGRAM([[#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <nccl.h>]],
        [[int n; cublasHandle_t h;
return cudaGetDeviceCount(&n) || cublasCreate(&h) || ncclGetVersion(&n);]])],
     [], [cuda_missing='they do not link'])
   CPPFLAGS=$dsp_cppflags LIBS=$dsp_libs])
