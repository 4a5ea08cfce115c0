#include "authority/complaint_book.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace sealmq::authority {
namespace {

using testing::mode_of;
using testing::TemporaryFolder;

Complaint complaint(std::uint8_t requester, std::uint64_t request, std::size_t size = 3) {
  Complaint made;
  made.requester = {2, requester};
  made.request = request;
  made.wall = 1700;
  made.frame = Buffer(size, 0xAA);
  return made;
}

class ComplaintBookTest : public ::testing::Test {
 protected:
  std::unique_ptr<ComplaintBook> open() const { return ComplaintBook::open(folder_ / "complaints.db").value(); }
  const TemporaryFolder folder_;
};

TEST_F(ComplaintBookTest, KeepsComplaintsUntilTheyAreDealtWith) {
  EXPECT_EQ(open()->add(complaint(1, 7)).value(), 1U);
  EXPECT_EQ(open()->add(complaint(2, 7)).value(), 2U);
  auto first = complaint(1, 7);
  first.number = 1;
  EXPECT_EQ(open()->open_ones()->front(), first);
  EXPECT_TRUE(open()->close(1));
  EXPECT_EQ(open()->open_ones()->size(), 1U);
  EXPECT_FALSE(open()->close(1));
  EXPECT_FALSE(open()->close(9));
  EXPECT_EQ(mode_of(folder_ / "complaints.db"), 0600U);
}

TEST_F(ComplaintBookTest, RefusesACopyAlsoOfOneThatWasDealtWith) {
  const auto book = open();
  EXPECT_TRUE(book->add(complaint(1, 7)));
  EXPECT_FALSE(book->add(complaint(1, 7)));
  EXPECT_FALSE(book->add(complaint(1, 6)));
  EXPECT_TRUE(book->close(1));
  EXPECT_FALSE(book->add(complaint(1, 7)));
  EXPECT_TRUE(book->add(complaint(1, 8)));
}

TEST_F(ComplaintBookTest, AnonymousOnesShareTheRoomOfOne) {
  const auto book = open();
  const auto anonymous = [](std::uint8_t frame) {
    Complaint made = complaint(1, 0);
    made.requester = {};
    made.frame = {frame};
    return made;
  };
  EXPECT_TRUE(book->add(anonymous(1)));
  EXPECT_FALSE(book->add(anonymous(1))) << "a copy";
  for (std::size_t i = 2; i <= maximum_of_one_requester; ++i) ASSERT_TRUE(book->add(anonymous(static_cast<std::uint8_t>(i))));
  EXPECT_FALSE(book->add(anonymous(200)));
  EXPECT_TRUE(book->add(complaint(1, 1))) << "who is known has room";
}

TEST_F(ComplaintBookTest, ARequesterAloneCannotFillIt) {
  const auto book = open();
  for (std::size_t i = 1; i <= maximum_of_one_requester; ++i) ASSERT_TRUE(book->add(complaint(1, i)));
  const auto refused = book->add(complaint(1, 1000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "too many complaints of one requester");
  EXPECT_TRUE(book->add(complaint(2, 1)));
}

TEST_F(ComplaintBookTest, HasABoundInBytes) {
  const auto book = open();
  EXPECT_FALSE(book->add(complaint(1, 1, maximum_complaint_size + 1)));
  std::size_t taken = 0;
  for (std::uint8_t requester = 1; requester < 5; ++requester)
    for (std::uint64_t i = 1; i <= 20; ++i)
      if (book->add(complaint(requester, i, maximum_complaint_size))) ++taken;
  EXPECT_EQ(taken, maximum_complaint_bytes / maximum_complaint_size);
}

}  // namespace
}  // namespace sealmq::authority
