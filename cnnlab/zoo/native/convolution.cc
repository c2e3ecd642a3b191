// Convolution of float32 maps (batch, rows, columns, channels) with a kernel (rows, columns, channels, filters), with or
// without ReLU behind it, and its two gradients, on one thread, as XLA's foreign functions. No dilation, no groups.
//
// All three are matrix products whose left factor is read in place, from a frame of zeros around a few images that stay
// in the cache: one row of it is one window, reached through a pointer. A tile of some rows and of two vectors of
// columns is summed up in registers: this is the inner loop of Goto & van de Geijn, "Anatomy of high-performance matrix
// multiplication" (ACM TOMS 34, 2008), without packing the left factor. Sums run in one order, whatever the machine has
// else to do, so that the same processor and compiler give the same bytes.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "xla/ffi/api/c_api.h"

namespace {

#if defined(CNNLAB_LANES)  // given by tests, for vectors that this processor may not have
constexpr int kLanes = CNNLAB_LANES;
#elif defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
constexpr int kTile = kLanes == 16 ? 8 : 6;  // rows of a tile: what 32, else 16, registers hold
constexpr int kWide = 2;  // vectors of a tile's row
constexpr int64_t kCached = 16 << 10;  // bytes of a group of images, or of a strip of one, that is worked on at once

using Index = int64_t;
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));
typedef float Unaligned __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }
inline Vector spread(float value) { return value - Vector{}; }
// ReLU, which lets pass what is not a number; and its gradient, 0 at 0, by what it gave.
inline Vector rectified(Vector value) { return value <= Vector{} ? Vector{} : value; }
inline float passed(float gradient, float output) { return output > 0.f ? gradient : 0.f; }

// Memory that is kept from call to call.
class Buffer {
 public:
  float* of(Index count) {
    if (count > count_) {
      std::free(data_);
      count_ = 0;
      data_ = static_cast<float*>(std::aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64));
      if (data_ == nullptr) throw std::bad_alloc();
      count_ = count;
    }
    return data_;
  }
  float* zeros(Index count) {
    float* data = of(count);
    std::fill(data, data + count, 0.f);
    return data;
  }
  ~Buffer() { std::free(data_); }

 private:
  float* data_ = nullptr;
  Index count_ = 0;
};

struct Scratch {
  Buffer frames, packed, flipped, gradients, sums;
};
thread_local Scratch scratch;

struct Maps {
  Index count, rows, columns, channels;
  Index image() const { return rows * columns * channels; }
};

struct Kernel {
  Index rows, columns, channels, filters;
  Index taps() const { return rows * columns * channels; }
};

// How windows lie: steps between them, and the zeros before the first row and column.
struct Lattice {
  Index row_stride, column_stride, top, left;
};

Index vectors(Index channels) { return (channels + kLanes - 1) / kLanes; }

// Columns of the right factor are worked on in blocks of two vectors, the last one maybe of one.
struct Block {
  Index channel;  // the first
  int wide;       // vectors
  Index valid;    // channels that are there; the rest of the vectors is zeros
};

template <class Function>
void for_blocks(Index channels, Function function) {
  for (Index channel = 0; channel < channels;) {
    Index left = channels - channel;
    int wide = left > kLanes ? kWide : 1;
    function(Block{channel, wide, std::min<Index>(left, wide * kLanes)});
    channel += wide * kLanes;
  }
}

// Lay a matrix (taps, channels) out block by block.
void pack(const float* matrix, Index taps, Index channels, float* packed) {
  for_blocks(channels, [&](Block block) {
    for (Index tap = 0; tap < taps; ++tap, packed += block.wide * kLanes) {
      std::memcpy(packed, matrix + tap * channels + block.channel, block.valid * sizeof(float));
      std::fill(packed + block.valid, packed + block.wide * kLanes, 0.f);
    }
  });
}

void unpack(const float* packed, Index taps, Index channels, float* matrix) {
  for_blocks(channels, [&](Block block) {
    for (Index tap = 0; tap < taps; ++tap, packed += block.wide * kLanes)
      std::memcpy(matrix + tap * channels + block.channel, packed, block.valid * sizeof(float));
  });
}

// Copy `count` numbers; gradients at the outputs of a ReLU, which are given then, only where it lets them pass.
void copy(const float* from, const float* outputs, Index count, float* to) {
  if (outputs == nullptr)
    std::memcpy(to, from, count * sizeof(float));
  else
    for (Index n = 0; n < count; ++n) to[n] = passed(from[n], outputs[n]);
}

// Images of a batch inside frames of zeros, a group at a time; without a frame where windows never leave the map. They
// may be gradients at the outputs of a ReLU, see `copy`.
class Frames {
 public:
  // `apart`: steps between neighbouring pixels inside the frame, with zeros in between.
  Frames(const float* maps, const float* outputs, Maps from, Index top, Index left, Index apart_rows,
         Index apart_columns, Index rows, Index columns)
      : maps_(maps), outputs_(outputs), from_(from), top_(top), left_(left), apart_rows_(apart_rows),
        apart_columns_(apart_columns) {
    bool fits = top == 0 && left == 0 && rows <= from.rows && columns <= from.columns;
    framed_ = outputs != nullptr || !(fits && apart_rows == 1 && apart_columns == 1);
    rows_ = framed_ ? rows : from.rows;
    columns_ = framed_ ? columns : from.columns;
    group_ = std::max<Index>(1, kCached / static_cast<Index>(image() * sizeof(float)));
  }

  Index group() const { return group_; }
  Index row() const { return columns_ * from_.channels; }
  Index image() const { return rows_ * row(); }

  // The frames of `count` images from number `first` on, one after the other.
  const float* at(Index first, Index count) const {
    if (!framed_) return maps_ + first * from_.image();
    float* frames = scratch.frames.zeros(count * image());
    for (Index n = 0; n < count; ++n) fill((first + n) * from_.image(), frames + n * image());
    return frames;
  }

 private:
  // Lay the image whose first number stands at `begin` into its frame.
  void fill(Index begin, float* frame) const {
    Index channels = from_.channels;
    auto lay = [&](Index from, Index count, float* to) {
      copy(maps_ + from, outputs_ == nullptr ? nullptr : outputs_ + from, count, to);
    };
    for (Index y = 0; y < from_.rows; ++y, begin += from_.columns * channels) {
      Index row = y * apart_rows_ + top_;
      if (row < 0 || row >= rows_) continue;
      float* to = frame + row * columns_ * channels;
      if (apart_columns_ == 1) {
        Index first = std::max<Index>(0, -left_), last = std::min(from_.columns, columns_ - left_);
        if (first < last) lay(begin + first * channels, (last - first) * channels, to + (first + left_) * channels);
        continue;
      }
      for (Index x = 0; x < from_.columns; ++x) {
        Index column = x * apart_columns_ + left_;
        if (column >= 0 && column < columns_) lay(begin + x * channels, channels, to + column * channels);
      }
    }
  }

  const float *maps_, *outputs_;
  Maps from_;
  Index top_, left_, apart_rows_, apart_columns_, rows_, columns_, group_;
  bool framed_;
};

// `count` windows times one block of the packed kernel, `run` taps from each of the window's rows. Whether there is a
// ReLU is known to the compiler, and nothing is inlined: the inner loop needs every register there is.
template <int count, int wide, bool rectify>
[[gnu::noinline]] void tile(const float* const* windows, Index window_rows, Index run, Index row, const float* packed,
                            const float* bias, float* const* to, Index valid) {
  Vector sums[count][wide];
#pragma GCC unroll 8
  for (int n = 0; n < count; ++n)
#pragma GCC unroll 2
    for (int v = 0; v < wide; ++v) sums[n][v] = load(bias + v * kLanes);
  for (Index y = 0; y < window_rows; ++y) {
    const float* at[count];
#pragma GCC unroll 8
    for (int n = 0; n < count; ++n) at[n] = windows[n] + y * row;
    for (Index k = 0; k < run; ++k, packed += wide * kLanes) {
      Vector right[wide];
#pragma GCC unroll 2
      for (int v = 0; v < wide; ++v) right[v] = load(packed + v * kLanes);
#pragma GCC unroll 8
      for (int n = 0; n < count; ++n) {
        Vector left = spread(at[n][k]);
#pragma GCC unroll 2
        for (int v = 0; v < wide; ++v) sums[n][v] += left * right[v];
      }
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < count; ++n)
#pragma GCC unroll 2
    for (int v = 0; v < wide; ++v) sums[n][v] = rectify ? rectified(sums[n][v]) : sums[n][v];
  if (valid == wide * kLanes) {
#pragma GCC unroll 8
    for (int n = 0; n < count; ++n)
#pragma GCC unroll 2
      for (int v = 0; v < wide; ++v) store(to[n] + v * kLanes, sums[n][v]);
  } else {
    // by way of a row of its own: sums whose address is taken would be kept in memory all along by clang
#pragma GCC unroll 8
    for (int n = 0; n < count; ++n) {
      float whole[wide * kLanes];
#pragma GCC unroll 2
      for (int v = 0; v < wide; ++v) store(whole + v * kLanes, sums[n][v]);
      std::memcpy(to[n], whole, valid * sizeof(float));
    }
  }
}

// How a group of images is walked through in the sum of a weight gradient: images, rows, columns, and their steps.
struct Walk {
  Index images, rows, columns, image_step, row_step, column_step, gradient_image, gradient_row, gradient_column;
};

// Add to `count` rows of one block of the packed weight gradient: the sum over pixels of taps times output gradients.
template <int count, int wide>
void outer(const float* const* taps, const float* gradient, const Walk& walk, float* packed) {
  Vector sums[count][wide] = {};
  for (Index image = 0; image < walk.images; ++image)
    for (Index y = 0; y < walk.rows; ++y) {
      const float* at[count];
#pragma GCC unroll 8
      for (int n = 0; n < count; ++n) at[n] = taps[n] + image * walk.image_step + y * walk.row_step;
      const float* from = gradient + image * walk.gradient_image + y * walk.gradient_row;
      Index k = 0;
      for (Index x = 0; x < walk.columns; ++x, k += walk.column_step, from += walk.gradient_column) {
        Vector right[wide];
#pragma GCC unroll 2
        for (int v = 0; v < wide; ++v) right[v] = load(from + v * kLanes);
#pragma GCC unroll 8
        for (int n = 0; n < count; ++n) {
          Vector left = spread(at[n][k]);
#pragma GCC unroll 2
          for (int v = 0; v < wide; ++v) sums[n][v] += left * right[v];
        }
      }
    }
#pragma GCC unroll 8
  for (int n = 0; n < count; ++n)
#pragma GCC unroll 2
    for (int v = 0; v < wide; ++v) {
      float* to = packed + (n * wide + v) * kLanes;
      store(to, load(to) + sums[n][v]);
    }
}

// Call `function.template operator()<count, wide>()` for the counts that are known only now.
template <int count, class Function>
void with_count(Index wanted, int wide, Function function) {
  if constexpr (count > 0) {
    if (wanted != count) return with_count<count - 1>(wanted, wide, function);
    if (wide == kWide) function.template operator()<count, kWide>();
    else function.template operator()<count, 1>();
  }
}

// Every window of the frames times the packed kernel, plus the bias, and ReLU of it if asked for.
template <bool rectify>
void correlate(const Frames& frames, Index in_channels, Kernel kernel, Index row_stride, Index column_stride,
               const float* packed, const float* bias, float* out, Maps to) {
  Index run = kernel.columns * in_channels, pixels = to.rows * to.columns;
  for (Index first = 0; first < to.count; first += frames.group()) {
    Index images = std::min(frames.group(), to.count - first);
    const float* framed = frames.at(first, images);
    float* result = out + first * to.image();
    for_blocks(to.channels, [&](Block block) {
      const float* weights = packed + block.channel * kernel.rows * run;
      Index x = 0, y = 0, image = 0;
      for (Index pixel = 0; pixel < images * pixels; pixel += kTile) {
        Index count = std::min<Index>(kTile, images * pixels - pixel);
        const float* windows[kTile];
        float* put[kTile];
        for (Index n = 0; n < count; ++n) {
          Index pixel_place = y * row_stride * frames.row() + x * column_stride * in_channels;
          windows[n] = framed + image * frames.image() + pixel_place;
          put[n] = result + (pixel + n) * to.channels + block.channel;
          if (++x == to.columns) {
            x = 0;
            if (++y == to.rows) y = 0, ++image;
          }
        }
        with_count<kTile>(count, block.wide, [&]<int n, int wide>() {
          tile<n, wide, rectify>(windows, kernel.rows, run, frames.row(), weights, bias + block.channel, put,
                                 block.valid);
        });
      }
    });
  }
}

void convolve(const float* maps, Maps from, const float* weights, Kernel kernel, const float* bias, Lattice lattice,
              bool rectify, float* out, Maps to) {
  Index padded = vectors(kernel.filters) * kLanes;
  float* packed = scratch.packed.of(kernel.taps() * padded);
  pack(weights, kernel.taps(), kernel.filters, packed);
  float* biases = scratch.sums.zeros(padded);
  std::memcpy(biases, bias, kernel.filters * sizeof(float));
  Frames frames(maps, nullptr, from, lattice.top, lattice.left, 1, 1, (to.rows - 1) * lattice.row_stride + kernel.rows,
                (to.columns - 1) * lattice.column_stride + kernel.columns);
  auto run = rectify ? correlate<true> : correlate<false>;
  run(frames, from.channels, kernel, lattice.row_stride, lattice.column_stride, packed, biases, out, to);
}

// A convolution of the output's gradient, spread out by the stride, with the kernel turned around both ways.
void input_gradient(const float* gradient, const float* outputs, Maps from, const float* weights, Kernel kernel,
                    Lattice lattice, float* out, Maps to) {
  Index spots = kernel.rows * kernel.columns;
  float* flipped = scratch.flipped.of(spots * kernel.filters * kernel.channels);
  for (Index spot = 0; spot < spots; ++spot)
    for (Index in = 0; in < kernel.channels; ++in)
      for (Index filter = 0; filter < kernel.filters; ++filter)
        flipped[((spots - 1 - spot) * kernel.filters + filter) * kernel.channels + in] =
            weights[(spot * kernel.channels + in) * kernel.filters + filter];
  Index padded = vectors(kernel.channels) * kLanes;
  float* packed = scratch.packed.of(spots * kernel.filters * padded);
  pack(flipped, spots * kernel.filters, kernel.channels, packed);
  Frames frames(gradient, outputs, from, kernel.rows - 1 - lattice.top, kernel.columns - 1 - lattice.left,
                lattice.row_stride, lattice.column_stride, to.rows + kernel.rows - 1, to.columns + kernel.columns - 1);
  correlate<false>(frames, kernel.filters, kernel, 1, 1, packed, scratch.sums.zeros(padded), out, to);
}

// Output gradients of some pixels, of those that pass a ReLU; filled up with zeros to whole vectors.
const float* filled_up(const float* gradient, const float* outputs, Index pixels, Index channels) {
  Index padded = vectors(channels) * kLanes;
  if (padded == channels && outputs == nullptr) return gradient;
  if (padded == channels) {
    float* passing = scratch.gradients.of(pixels * channels);
    copy(gradient, outputs, pixels * channels, passing);
    return passing;
  }
  float* filled = scratch.gradients.zeros(pixels * padded);
  for (Index pixel = 0; pixel < pixels; ++pixel, gradient += channels) {
    copy(gradient, outputs, channels, filled + pixel * padded);
    if (outputs != nullptr) outputs += channels;
  }
  return filled;
}

void weight_gradient(const float* maps, Maps from, const float* gradient, const float* outputs, Maps to,
                     Lattice lattice, float* weights, Kernel kernel, float* bias) {
  Index padded = vectors(to.channels) * kLanes, taps = kernel.taps();
  Frames frames(maps, nullptr, from, lattice.top, lattice.left, 1, 1, (to.rows - 1) * lattice.row_stride + kernel.rows,
                (to.columns - 1) * lattice.column_stride + kernel.columns);
  float* packed = scratch.packed.zeros(taps * padded);
  float* biases = scratch.sums.zeros(padded);
  Index row_step = lattice.row_stride * frames.row(), column_step = lattice.column_stride * from.channels;
  Index row_bytes = (row_step + to.columns * kWide * kLanes) * sizeof(float);
  Index strip = frames.group() > 1 ? to.rows : std::max<Index>(1, kCached / row_bytes);
  for (Index first = 0; first < to.count; first += frames.group()) {
    Index images = std::min(frames.group(), to.count - first);
    const float* framed = frames.at(first, images);
    // a strip is some rows of one image, or all of some images: without a gap in either case
    for (Index y = 0; y < to.rows; y += strip) {
      Index rows = std::min(strip, to.rows - y), begin = first * to.image() + y * to.columns * to.channels;
      const float* given = filled_up(gradient + begin, outputs == nullptr ? nullptr : outputs + begin,
                                     images * rows * to.columns, to.channels);
      for (Index vector = 0; vector < padded; vector += kLanes) {
        Vector sum{};
        for (Index pixel = 0; pixel < images * rows * to.columns; ++pixel) sum += load(given + pixel * padded + vector);
        store(biases + vector, load(biases + vector) + sum);
      }
      Walk walk{images, rows, to.columns, frames.image(), row_step, column_step,
                rows * to.columns * padded, to.columns * padded, padded};
      for_blocks(to.channels, [&](Block block) {
        float* sums = packed + block.channel * taps;
        for (Index tap = 0; tap < taps; tap += kTile) {
          Index count = std::min<Index>(kTile, taps - tap), run = kernel.columns * from.channels;
          const float* at[kTile];
          for (Index n = 0; n < count; ++n)
            at[n] = framed + y * row_step + (tap + n) / run * frames.row() + (tap + n) % run;
          const float* from_here = given + block.channel;
          with_count<kTile>(count, block.wide, [&]<int n, int wide>() { outer<n, wide>(at, from_here, walk, sums); });
          sums += count * block.wide * kLanes;
        }
      });
    }
  }
  unpack(packed, taps, to.channels, weights);
  std::memcpy(bias, biases, to.channels * sizeof(float));
}

// What XLA hands over: arguments and results are buffers, and `lattice` is the only attribute: where windows lie and,
// last, whether there is a ReLU.

XLA_FFI_Buffer* argument(XLA_FFI_CallFrame* call, int place) {
  return static_cast<XLA_FFI_Buffer*>(call->args.args[place]);
}
XLA_FFI_Buffer* result(XLA_FFI_CallFrame* call, int place) {
  return static_cast<XLA_FFI_Buffer*>(call->rets.rets[place]);
}
float* data(XLA_FFI_Buffer* buffer) { return static_cast<float*>(buffer->data); }
Maps maps_of(XLA_FFI_Buffer* buffer) { return {buffer->dims[0], buffer->dims[1], buffer->dims[2], buffer->dims[3]}; }
Kernel kernel_of(XLA_FFI_Buffer* buffer) {
  return {buffer->dims[0], buffer->dims[1], buffer->dims[2], buffer->dims[3]};
}
const Index* attribute(XLA_FFI_CallFrame* call) {
  return static_cast<const Index*>(static_cast<XLA_FFI_Array*>(call->attrs.attrs[0])->data);
}
Lattice lattice_of(XLA_FFI_CallFrame* call) {
  auto* given = attribute(call);
  return {given[0], given[1], given[2], given[3]};
}
bool rectify_of(XLA_FFI_CallFrame* call) { return attribute(call)[4] != 0; }
// Outputs of the ReLU, the argument behind all others.
const float* outputs_of(XLA_FFI_CallFrame* call) { return rectify_of(call) ? data(argument(call, 2)) : nullptr; }

XLA_FFI_Error* failure(XLA_FFI_CallFrame* call, const char* why) {
  XLA_FFI_Error_Create_Args error{XLA_FFI_Error_Create_Args_STRUCT_SIZE, nullptr, why,
                                  XLA_FFI_Error_Code_RESOURCE_EXHAUSTED};
  return call->api->XLA_FFI_Error_Create(&error);
}

// Answer XLA's question for the interface's version, or do the work.
template <class Function>
XLA_FFI_Error* answer(XLA_FFI_CallFrame* call, Function function) {
  if (call->extension_start != nullptr && call->extension_start->type == XLA_FFI_Extension_Metadata) {
    auto* asked = reinterpret_cast<XLA_FFI_Metadata_Extension*>(call->extension_start);
    asked->metadata->api_version.major_version = XLA_FFI_API_MAJOR;
    asked->metadata->api_version.minor_version = XLA_FFI_API_MINOR;
    asked->metadata->traits = 0;
    return nullptr;
  }
  try {
    function();
  } catch (const std::bad_alloc&) {
    return failure(call, "no memory left for a convolution");
  }
  return nullptr;
}

}  // namespace

// (maps, kernel, bias) -> maps
extern "C" XLA_FFI_Error* cnnlab_convolve(XLA_FFI_CallFrame* call) {
  return answer(call, [&] {
    auto *maps = argument(call, 0), *kernel = argument(call, 1), *out = result(call, 0);
    convolve(data(maps), maps_of(maps), data(kernel), kernel_of(kernel), data(argument(call, 2)), lattice_of(call),
             rectify_of(call), data(out), maps_of(out));
  });
}

// (gradient at the output, kernel[, output]) -> gradient at the input
extern "C" XLA_FFI_Error* cnnlab_input_gradient(XLA_FFI_CallFrame* call) {
  return answer(call, [&] {
    auto *gradient = argument(call, 0), *kernel = argument(call, 1), *out = result(call, 0);
    input_gradient(data(gradient), outputs_of(call), maps_of(gradient), data(kernel), kernel_of(kernel),
                   lattice_of(call), data(out), maps_of(out));
  });
}

// (maps, gradient at the output[, output]) -> gradient at the kernel, gradient at the bias
extern "C" XLA_FFI_Error* cnnlab_weight_gradient(XLA_FFI_CallFrame* call) {
  return answer(call, [&] {
    auto *maps = argument(call, 0), *gradient = argument(call, 1), *kernel = result(call, 0);
    weight_gradient(data(maps), maps_of(maps), data(gradient), outputs_of(call), maps_of(gradient), lattice_of(call),
                    data(kernel), kernel_of(kernel), data(result(call, 1)));
  });
}
