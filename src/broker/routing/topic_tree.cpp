#include "broker/routing/topic_tree.h"

#include <algorithm>

namespace sealmq::broker {
namespace {

/// Cuts the first level off `rest`; `last` tells whether it was the last one.
std::string_view next_level(std::string_view& rest, bool& last) {
  std::size_t slash = rest.find('/');
  last = slash == std::string_view::npos;
  std::string_view level = rest.substr(0, slash);
  rest = last ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

bool ends_with_hash(std::string_view filter) {
  return filter.ends_with('#');
}

void append_all(std::vector<Subscription*>& out, const std::vector<Subscription*>& some) {
  out.insert(out.end(), some.begin(), some.end());
}

/// A part of a sixteenth of the budget, which is at least what some topics take.
std::size_t most_remembered(const Budget* budget, std::size_t trees) {
  if (budget == nullptr || budget->most() == 0) return TopicTree::most_bytes_remembered;
  return std::clamp<std::size_t>(budget->most() / 16 / trees, 64 * 1024, TopicTree::most_bytes_remembered);
}

}  // namespace

TopicTree::TopicTree(Interest* interest, Budget* budget, std::size_t trees)
    : interest_(interest), budget_(budget), most_remembered_(most_remembered(budget, trees)), charge_(budget) {}

std::vector<Subscription*>& TopicTree::list_of(TopicNode& node, const Subscription& subscription) {
  return ends_with_hash(subscription.filter) ? node.below : node.here;
}

TopicNode& TopicTree::make_child(TopicNode& node, std::string_view level) {
  const bool is_plus = level == "+";
  if (is_plus && node.plus != nullptr) return *node.plus;
  if (const auto known = node.children.find(level); known != node.children.end()) return *known->second;
  auto made = std::make_unique<TopicNode>();
  made->parent = &node;
  made->level = level;
  ++nodes_;
  auto& place = is_plus ? node.plus : node.children[made->level];
  place = std::move(made);
  return *place;
}

void TopicTree::add(Subscription& subscription) {
  TopicNode* node = &root_;
  std::string_view rest = subscription.filter;
  for (bool last = false; !last;) {
    std::string_view level = next_level(rest, last);
    if (last && level == "#") break;  // kept at the parent, which it matches too
    node = &make_child(*node, level);
  }
  auto& list = list_of(*node, subscription);
  subscription.node = node;
  subscription.place = list.size();
  list.push_back(&subscription);
  if (interest_ != nullptr) interest_->add(subscription.filter);
  forget();
}

void TopicTree::remove(Subscription& subscription) {
  if (interest_ != nullptr) interest_->remove(subscription.filter);
  TopicNode* node = subscription.node;
  auto& list = list_of(*node, subscription);
  list[subscription.place] = list.back();
  list[subscription.place]->place = subscription.place;
  list.pop_back();
  while (node->parent != nullptr && node->empty()) {
    TopicNode* parent = node->parent;
    if (parent->plus.get() == node)
      parent->plus.reset();
    else
      parent->children.erase(parent->children.find(node->level));
    --nodes_;
    node = parent;
  }
  forget();
}

void TopicTree::forget() {
  last_ = nullptr;
  remembered_.clear();
  remembered_bytes_ = 0;
  charge_.set(0);
}

const std::vector<Subscription*>& TopicTree::match(std::string_view topic) {
  if (last_ != nullptr && last_->first == topic) return last_->second;
  auto known = remembered_.find(topic);
  if (known == remembered_.end()) {
    const bool is_short = budget_ != nullptr && !budget_->has_room_to_wait();
    if (remembered_.size() >= topics_remembered || remembered_bytes_ > most_remembered_ || is_short) forget();
    known = remembered_.emplace(topic, std::vector<Subscription*>()).first;
    collect(topic, known->second);
    remembered_bytes_ += cost_of_remembered + topic.size() + known->second.capacity() * sizeof(void*);
    charge_.set(remembered_bytes_ / Charge::step * Charge::step);
  }
  last_ = &*known;
  return last_->second;
}

void TopicTree::collect(std::string_view topic, std::vector<Subscription*>& out) {
  const bool hidden = topic.starts_with('$');
  ++visited_;
  if (!hidden) append_all(out, root_.below);
  reached_.assign(1, &root_);
  std::string_view rest = topic;
  for (bool last = false; !last && !reached_.empty(); reached_.swap(next_)) {
    const std::string_view level = next_level(rest, last);
    next_.clear();
    for (const TopicNode* node : reached_) {
      if (const auto child = node->children.find(level); child != node->children.end()) next_.push_back(child->second.get());
      if (node->plus != nullptr && !(hidden && node == &root_)) next_.push_back(node->plus.get());
    }
    visited_ += next_.size();
    for (const TopicNode* node : next_) {
      append_all(out, node->below);  // "sport/#" matches "sport"
      if (last) append_all(out, node->here);
    }
  }
}

}  // namespace sealmq::broker
