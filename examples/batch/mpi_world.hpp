#pragma once

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>

#include "la/la.hpp"
#include "worker.hpp"
#include "exchange.hpp"

namespace la::cli {

/// Whether mpirun or srun started this program as one of several ranks.
inline bool started_by_mpi() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char* size = std::getenv(name); size && std::atoi(size) > 1) return true;
  return std::getenv("PMIX_RANK") != nullptr;
}

/// The ranks of this run. All calls come from the thread that made it.
class MpiWorld {
 public:
  enum class Tag { hello, ask, deal, reply, bye };
  struct Message {
    Tag tag;
    int rank;
    std::string bytes;
  };

  MpiWorld() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }

  void send(int rank, Tag tag, const std::string& bytes) {
    MPI_Send(bytes.data(), int(bytes.size()), MPI_BYTE, rank, int(tag), MPI_COMM_WORLD);
  }
  /// A message that is there. MPI's own waits would keep a core busy.
  std::optional<Message> receive() {
    int there = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &there, &status);
    if (!there) return std::nullopt;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    Message message{Tag(status.MPI_TAG), status.MPI_SOURCE, std::string(std::size_t(bytes), '\0')};
    MPI_Recv(message.bytes.data(), bytes, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, MPI_COMM_WORLD,
             &status);
    return message;
  }
  Message wait() {
    for (Pause pause;; pause.wait())
      if (std::optional<Message> message = receive()) return std::move(*message);
  }

  /// Sleeps a little longer each time, up to a millisecond.
  class Pause {
   public:
    void wait() {
      std::this_thread::sleep_for(std::chrono::microseconds(microseconds_));
      microseconds_ = std::min(2 * microseconds_, 1000);
    }
    void reset() { microseconds_ = 20; }

   private:
    int microseconds_ = 20;
  };

  /// When every rank comes here.
  void finish() { MPI_Finalize(); }
  /// Ends all ranks.
  [[noreturn]] void abort(int status) {
    MPI_Abort(MPI_COMM_WORLD, status);
    std::_Exit(status);
  }

 private:
  int rank_ = 0, size_ = 1;
};

/// Values one after the other, for messages.
class Packed {
 public:
  Packed() = default;
  explicit Packed(std::string bytes) : bytes_(std::move(bytes)) {}

  template <class Value>
  void put(Value value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_text(const std::string& text) {
    put(std::uint64_t(text.size()));
    bytes_ += text;
  }
  template <class Value>
  Value get() {
    Value value{};
    require(at_ + sizeof value <= bytes_.size(), "a message between ranks ends early");
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string get_text() {
    const auto size = get<std::uint64_t>();
    require(size <= bytes_.size() - at_, "a message between ranks ends early");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

inline std::string pack(const Deal& deal) {
  Packed out;
  out.put(deal.kind);
  out.put(deal.ticket.index);
  out.put(deal.ticket.request.number);
  out.put_text(deal.ticket.request.json);
  out.put_text(deal.ticket.request.image_bytes);
  return out.bytes();
}

inline Deal unpack_deal(std::string bytes) {
  Packed in(std::move(bytes));
  Deal deal;
  deal.kind = in.get<Deal::Kind>();
  deal.ticket.index = in.get<i64>();
  deal.ticket.request.number = in.get<i64>();
  deal.ticket.request.json = in.get_text();
  deal.ticket.request.image_bytes = in.get_text();
  return deal;
}

inline std::string pack(const Reply& reply) {
  Packed out;
  out.put(reply.index);
  out.put(reply.digest);
  out.put(reply.number);
  out.put(reply.outcome);
  out.put(reply.malformed);
  out.put_text(reply.line);
  return out.bytes();
}

inline Reply unpack_reply(std::string bytes) {
  Packed in(std::move(bytes));
  Reply reply;
  reply.index = in.get<i64>();
  reply.digest = in.get<std::uint64_t>();
  reply.number = in.get<i64>();
  reply.outcome = in.get<Outcome>();
  reply.malformed = in.get<bool>();
  reply.line = in.get_text();
  return reply;
}

}  // namespace la::cli
